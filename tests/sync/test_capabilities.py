from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from foedus.sync.capabilities import negotiate

capability = st.dictionaries(st.sampled_from(["major", "credit", "page"]), st.integers(0, 3))
capabilities = st.dictionaries(st.sampled_from(["events", "rooms", "blobs"]), capability)


def test_the_smaller_parameter_of_the_same_major_counts():
    mine = {"events": {"major": 1, "credit": 7, "page": 2}, "rooms": {"major": 1}}
    theirs = {"events": {"major": 1, "credit": 3, "page": 9}, "rooms": {"major": 2}}
    assert negotiate(mine, theirs) == {"events": {"major": 1, "credit": 3, "page": 2}}


def test_a_capability_without_major_matches_none():
    assert negotiate({"events": {}}, {"events": {}}) == {}


@given(capabilities, capabilities)
def test_both_sides_reach_the_same(mine, theirs):
    assert negotiate(mine, theirs) == negotiate(theirs, mine)
    assert negotiate(mine, mine) == {name: value for name, value in mine.items() if "major" in value}
