from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError

from foedus.crypto.ed25519 import Ed25519Key, verify, verify_many
from tests.vectors import load_vectors

KEY = Ed25519Key(bytes(range(32)))
SIGNED = (KEY.public, b"message", KEY.sign(b"message"))


def libsodium_accepts(public: bytes, message: bytes, signature: bytes) -> bool:
    """Ask by PyNaCl's binding: the twin of the way past it."""
    try:
        return crypto_sign_open(signature + message, public) == message
    except BadSignatureError:
        return False


def wycheproof():
    for group in load_vectors("wycheproof_ed25519_test.json")["testGroups"]:
        for case in group["tests"]:
            yield group["publicKey"]["pk"], case


def test_wycheproof_agrees_in_every_case():
    # Neither `acceptable` cases nor a difference of libsodium's law: the list of exceptions is empty.
    wrong = [
        case["tcId"]
        for public, case in wycheproof()
        if verify(bytes.fromhex(public), bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]))
        != (case["result"] == "valid")
    ]
    results = Counter(case["result"] for _, case in wycheproof())
    assert (wrong, results) == ([], {"valid": 88, "invalid": 63})


def edge_cases():
    for case in load_vectors("cctv_ed25519_ed25519vectors.json"):
        public, signature = bytes.fromhex(case["key"]), bytes.fromhex(case["sig"])
        yield frozenset(case["flags"] or ()), public, case["msg"].encode(), signature


def test_edge_cases_are_judged_exactly_as_libsodium_does():
    for flags, public, message, signature in edge_cases():
        assert verify(public, message, signature) == libsodium_accepts(public, message, signature), flags


def test_the_law_of_the_edge_cases_is_pinned():
    """A change of libsodium's law would split a federation: this test is how we hear of it.

    Refused is what has a key or commitment of low order, or holds by the equation with the cofactor
    alone (a residue). Accepted is a component of low order that cancels out.
    """
    cancels_out = {"low_order_component_A", "low_order_component_R"}
    refused, accepted, refused_flags = 0, 0, Counter()
    for flags, public, message, signature in edge_cases():
        if verify(public, message, signature):
            accepted += 1
            assert flags <= cancels_out
        else:
            refused += 1
            refused_flags.update(flags)
            assert flags & {"low_order_A", "low_order_R", "low_order_residue"}
    assert (accepted, refused) == (43, 871)
    assert refused_flags == {
        "low_order_A": 526,
        "low_order_R": 586,
        "low_order_residue": 583,
        "low_order_component_A": 774 - 42,
        "low_order_component_R": 665 - 35,
        "non_canonical_A": 226,
        "non_canonical_R": 316,
        "reencoded_k": 146,
    }


def test_a_signature_holds_and_is_deterministic():
    assert verify(*SIGNED)
    assert KEY.sign(b"message") == SIGNED[2]
    assert (len(KEY.public), len(SIGNED[2])) == (32, 64)


@given(st.integers(0, 2), st.data())
def test_any_flipped_bit_is_refused(part, data):
    parts = list(SIGNED)
    bit = data.draw(st.integers(0, len(parts[part]) * 8 - 1))
    changed = bytearray(parts[part])
    changed[bit // 8] ^= 1 << bit % 8
    parts[part] = bytes(changed)
    assert not verify(*parts)


@given(st.binary(max_size=80), st.binary(max_size=80), st.binary(max_size=80))
def test_bytes_of_any_length_are_answered_not_raised(public, message, signature):
    assert verify(public, message, signature) is False


def test_a_true_key_with_more_or_fewer_bytes_is_refused():
    # The binding reads 32 bytes from where the key begins, whatever comes after them.
    public, message, signature = SIGNED
    assert not verify(public + b"\0", message, signature)
    assert not verify(public[:31], message, signature)


def test_signature_and_message_cannot_trade_bytes():
    public, message, signature = SIGNED
    assert not verify(public, signature[-1:] + message, signature[:-1])
    assert not verify(public, message[1:], signature + message[:1])


@pytest.mark.parametrize("part", [0, 1, 2])
@pytest.mark.parametrize("value", [None, "x" * 64, 7, bytearray(64)])
def test_what_is_not_bytes_is_refused(part, value):
    parts = list(SIGNED)
    parts[part] = value
    assert verify(*parts) is False


@given(st.lists(st.booleans(), max_size=20))
def test_a_batch_answers_in_order(good):
    items = [SIGNED if one else (SIGNED[0], b"other", SIGNED[2]) for one in good]
    assert verify_many(items) == good


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_seed_has_32_bytes(length):
    with pytest.raises(ValueError, match="32 bytes"):
        Ed25519Key(bytes(length))


def test_no_secret_is_shown():
    key = Ed25519Key(b"\xab" * 32)
    assert "abababab" not in repr(key) + str(key)
    assert key.public.hex() in repr(key)
