import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.crypto.labels import LABELS, signed_bytes


def test_the_labels_are_those_of_version_1():
    assert sorted(LABELS) == [
        "act",
        "agreement",
        "audit",
        "body",
        "call",
        "call-receipt",
        "checkpoint",
        "council",
        "council-join",
        "council-seal",
        "event",
        "http",
        "identity",
        "link-i",
        "link-r",
        "manifest",
        "new-view",
        "pairing",
        "passkey",
        "presence",
        "proof",
        "query",
        "receipt",
        "result",
        "update",
        "view-change",
        "vote",
        "webhook",
    ]


def test_the_form_is_the_documented_one():
    assert signed_bytes("link-i", b"data") == b"foedus/link-i/1\x00data"


@pytest.mark.parametrize("what", ["", "Event", "event/1", "link"])
def test_an_unknown_label_is_an_error_of_the_program(what):
    with pytest.raises(ValueError, match="not a label"):
        signed_bytes(what, b"")


labels = st.sampled_from(sorted(LABELS))


@given(labels, st.binary(max_size=40), labels, st.binary(max_size=40))
def test_no_two_roles_ever_sign_the_same_bytes(one, data, other, more):
    assert (signed_bytes(one, data) == signed_bytes(other, more)) == ((one, data) == (other, more))
