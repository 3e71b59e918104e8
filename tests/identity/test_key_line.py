"""The keys of an epoch, shown by hashes and ML-DSA-65 alone."""

import pytest
from msgspec.structs import replace

from foedus.base.cbor import convert, decode, encode, to_plain
from foedus.identity.key_line import KeyLine, key_line, read_line
from foedus.identity.keys import public_keys
from foedus.identity.record import BadRecord
from tests.identity.nodes import first, keys, recover, rotate

FIRST = first("a")
SECOND = rotate(FIRST, "a", "b")
THIRD = recover(SECOND, "c", new_words="other words")
FOURTH = rotate(THIRD, "c", "d", "restored")
HISTORY = (FIRST, SECOND, THIRD, FOURTH)


@pytest.mark.parametrize(("length", "name"), [(1, "a"), (2, "b"), (3, "c"), (4, "d")])
def test_each_epoch_is_shown_by_the_line_up_to_it(length, name):
    line = key_line(HISTORY[:length])
    assert read_line(line) == (FIRST.node, public_keys(keys(name)))
    assert convert(decode(encode(to_plain(line))), KeyLine) == line


def test_a_line_holds_no_signature_by_ed25519():
    data = encode(to_plain(key_line(HISTORY)))
    for signed in HISTORY:
        proof = signed.proof
        shown = [proof.own[0], *(proof.former or ())[:1], *(proof.recovery or ())[2:3]]
        assert not any(signature in data for signature in shown)


def changed(step, **fields):
    line = key_line(HISTORY)
    steps = list(line.steps)
    steps[step] = replace(steps[step], **fields)
    return replace(line, steps=tuple(steps))


OTHER = rotate(first("x"), "x", "y")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (changed(0, signature=bytes(3309)), "not signed"),
        (changed(1, signature=key_line(HISTORY).steps[2].signature), "not signed"),
        (changed(1, recovery=None), "recovery keys do not fit"),
        (changed(0, recovery=key_line(HISTORY).steps[1].recovery), "recovery keys do not fit"),
        (changed(1, recovery=(bytes(32), bytes(1952))), "not those that the record before it names"),
        (changed(0, record=OTHER.record_bytes), "another record"),
        (changed(0, record=b"\xff"), "cannot be read"),
        (KeyLine(FIRST.record_bytes, key_line(HISTORY).steps[1:]), "another record"),
        (KeyLine(SECOND.record_bytes, ()), "without the one before it"),
    ],
)
def test_a_line_that_does_not_hold_is_refused(line, why):
    with pytest.raises(BadRecord, match=why):
        read_line(line)


def test_who_has_a_former_ed25519_key_alone_takes_nothing_over():
    stolen = keys("a")
    forger = keys("eve")
    mixed = type(stolen)(stolen.ed25519, forger.mldsa65, forger.xwing)
    forged = rotate.__wrapped__(FIRST, "a", "eve")
    signature = mixed.mldsa65.sign(b"foedus/identity/1\x00" + forged.record_bytes)
    line = key_line((FIRST, forged))
    with pytest.raises(BadRecord, match="not signed"):
        read_line(replace(line, steps=(replace(line.steps[0], signature=signature),)))
