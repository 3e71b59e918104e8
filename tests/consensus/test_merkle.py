"""The Merkle tree of RFC 6962, against its recursive definition."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.consensus import merkle


def recursive(leaves):
    """Return the root as section 2.1 defines it."""
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + recursive(leaves[:split]) + recursive(leaves[split:])).digest()


LEAVES = st.lists(st.binary(max_size=4).map(merkle.leaf), max_size=40)


@given(LEAVES)
def test_the_root_is_that_of_the_definition(leaves):
    assert merkle.root(leaves) == recursive(leaves)


@given(LEAVES.filter(bool), st.data())
def test_a_path_leads_to_the_root_from_its_own_place_only(leaves, data):
    index = data.draw(st.integers(0, len(leaves) - 1))
    path = merkle.path(leaves, index)
    assert merkle.root_of_path(leaves[index], index, len(leaves), path) == merkle.root(leaves)
    assert merkle.root_of_path(merkle.leaf(b"another"), index, len(leaves), path) != merkle.root(leaves)
    assert merkle.root_of_path(leaves[index], index, len(leaves), [*path, bytes(32)]) is None
    assert merkle.root_of_path(leaves[index], len(leaves), len(leaves), path) is None
    if path:
        assert merkle.root_of_path(leaves[index], index, len(leaves), path[:-1]) is None


def test_there_is_no_path_of_what_is_not_there():
    with pytest.raises(IndexError):
        merkle.path([merkle.leaf(b"one")], 1)
