import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.base.errors import PeerViolation
from foedus.base.limits import FRAMES_PER_KEY_MAX
from foedus.crypto.aead import Direction, open_sealed, seal
from foedus.crypto.errors import KeySpent, NotAuthentic

KEY = bytes(range(32))
NONCE = bytes(range(12))


def test_rfc_8439_section_2_8_2():
    text = (
        b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
        b"sunscreen would be it."
    )
    aad = bytes.fromhex("50515253c0c1c2c3c4c5c6c7")
    sealed = seal(bytes(range(0x80, 0xA0)), bytes.fromhex("070000004041424344454647"), text, aad)
    assert sealed.hex() == (
        "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b"
        "1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
        "3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691"
    )


@given(st.binary(max_size=300), st.binary(max_size=60))
def test_what_was_sealed_opens(plaintext, aad):
    sealed = seal(KEY, NONCE, plaintext, aad)
    assert len(sealed) == len(plaintext) + 16
    assert open_sealed(KEY, NONCE, sealed, aad) == plaintext


def changed_everywhere(data: bytes):
    for place in range(len(data)):
        yield data[:place] + bytes([data[place] ^ 0x40]) + data[place + 1 :]


def test_a_change_of_any_byte_of_anything_is_refused():
    aad, plaintext = b"context", b"forty bytes of text which nobody changes"
    sealed = seal(KEY, NONCE, plaintext, aad)
    attempts = [
        *((KEY, NONCE, bad, aad) for bad in changed_everywhere(sealed)),
        *((KEY, NONCE, sealed, bad) for bad in changed_everywhere(aad)),
        *((KEY, bad, sealed, aad) for bad in changed_everywhere(NONCE)),
        *((bad, NONCE, sealed, aad) for bad in changed_everywhere(KEY)),
    ]
    assert len(attempts) == 40 + 16 + 7 + 12 + 32
    for attempt in attempts:
        with pytest.raises(NotAuthentic):
            open_sealed(*attempt)


def test_every_truncation_is_refused():
    sealed = seal(KEY, NONCE, b"text")
    for length in range(len(sealed)):
        with pytest.raises(NotAuthentic):
            open_sealed(KEY, NONCE, sealed[:length])


def test_tampering_is_the_other_nodes_fault():
    assert issubclass(NotAuthentic, PeerViolation)
    assert NotAuthentic.code == "not_authentic"


@pytest.mark.parametrize(("key", "nonce"), [(bytes(31), NONCE), (KEY, bytes(11)), (KEY, bytes(13))])
def test_wrong_lengths_are_errors_of_the_program(key, nonce):
    with pytest.raises(ValueError, match=r"."):
        seal(key, nonce, b"")


@given(st.lists(st.tuples(st.binary(max_size=50), st.binary(max_size=10)), max_size=8))
def test_a_direction_carries_messages_in_order(messages):
    sender, receiver = Direction(KEY), Direction(KEY)
    assert [receiver.open(sender.seal(text, aad), aad) for text, aad in messages] == [text for text, _ in messages]
    assert sender.count == receiver.count == len(messages)


def test_the_nonce_is_four_zero_bytes_and_the_count():
    sender = Direction(KEY)
    sender.seal(b"first")
    assert sender.seal(b"second", b"aad") == seal(KEY, bytes(4) + (1).to_bytes(8, "big"), b"second", b"aad")


def test_a_forged_frame_does_not_shut_out_the_true_one():
    sender, receiver = Direction(KEY), Direction(KEY)
    true = sender.seal(b"text")
    for bad in changed_everywhere(true):
        with pytest.raises(NotAuthentic):
            receiver.open(bad)
    assert receiver.count == 0
    assert receiver.open(true) == b"text"


def test_replayed_and_reordered_frames_are_refused():
    sender, receiver = Direction(KEY), Direction(KEY)
    first, second = sender.seal(b"first"), sender.seal(b"second")
    with pytest.raises(NotAuthentic):
        receiver.open(second)
    receiver.open(first)
    with pytest.raises(NotAuthentic):
        receiver.open(first)
    assert receiver.open(second) == b"second"


def test_a_key_ends_before_its_counter_does():
    sender, receiver = Direction(KEY), Direction(KEY)
    sender.count = receiver.count = FRAMES_PER_KEY_MAX - 1
    assert receiver.open(sender.seal(b"last")) == b"last"
    with pytest.raises(KeySpent):
        sender.seal(b"one more")
    with pytest.raises(KeySpent):
        receiver.open(bytes(16))
    assert sender.count == receiver.count == FRAMES_PER_KEY_MAX


def test_no_secret_is_shown():
    assert "abab" not in repr(Direction(b"\xab" * 32))
