import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from foedus.base.errors import PeerViolation
from foedus.crypto.errors import BadKey
from foedus.crypto.xwing import XWingKey, encapsulate
from tests.vectors import load_vectors

KEY = XWingKey(bytes(range(32)))
seeds = st.binary(min_size=32, max_size=32)


def draft():
    return [
        {name: bytes.fromhex(value) for name, value in case.items()}
        for case in load_vectors("xwing_draft_test-vectors.json")
    ]


def test_the_drafts_keys_and_secrets():
    cases = draft()
    assert len(cases) == 3
    for case in cases:
        key = XWingKey(case["seed"])
        assert (key.public, key.decapsulate(case["ct"])) == (case["pk"], case["ss"])


def test_the_drafts_x25519_half_of_the_ciphertext():
    # The library draws the ML-KEM half's randomness, so only this half can be compared.
    for case in draft():
        ciphertext, secret = encapsulate(case["pk"], case["eseed"][32:])
        assert ciphertext[1088:] == case["ct"][1088:]
        assert XWingKey(case["seed"]).decapsulate(ciphertext) == secret


def mlkem_verdict(case):
    """What the library that X-Wing stands on says: the public key and secret, or the refusal."""
    try:
        key = MLKEM768PrivateKey.from_seed_bytes(bytes.fromhex(case["seed"]))
        return key.public_key().public_bytes_raw(), key.decapsulate(bytes.fromhex(case["c"]))
    except ValueError:
        return None


def test_wycheproof_mlkem_768_below_x_wing():
    cases = [case for group in load_vectors("wycheproof_mlkem_768_test.json")["testGroups"] for case in group["tests"]]
    wrong = [case["tcId"] for case in cases if not _agrees(case, mlkem_verdict(case))]
    assert (len(cases), wrong) == (193, [])


def _agrees(case, verdict):
    if case["result"] == "invalid":
        return verdict is None
    expected = tuple(bytes.fromhex(case[name]) for name in ("ek", "K"))
    return verdict == expected


@settings(max_examples=25)
@given(seeds, seeds)
def test_both_sides_get_one_secret(seed, ephemeral):
    key = XWingKey(seed)
    ciphertext, secret = encapsulate(key.public, ephemeral)
    assert (len(key.public), len(ciphertext), len(secret)) == (1216, 1120, 32)
    assert key.decapsulate(ciphertext) == secret


def test_one_ephemeral_seed_still_gives_two_secrets():
    # A repeated seed of the X25519 half is a mistake, but ML-KEM's own randomness keeps the secrets apart.
    one, other = (encapsulate(KEY.public, bytes(32)) for _ in range(2))
    assert one != other


@settings(max_examples=60)
@given(st.integers(0, 1120 * 8 - 1))
def test_tampering_is_never_reported_but_changes_the_secret(bit):
    ciphertext, secret = encapsulate(KEY.public, bytes(range(32)))
    changed = bytearray(ciphertext)
    changed[bit // 8] ^= 1 << bit % 8
    assert KEY.decapsulate(bytes(changed)) != secret


def test_the_bit_that_x25519_ignores_still_changes_the_secret():
    # RFC 7748 section 5 masks the top bit; the combiner hashes the bytes as they came.
    ciphertext, secret = encapsulate(KEY.public, bytes(range(32)))
    assert KEY.decapsulate(ciphertext[:-1] + bytes([ciphertext[-1] ^ 0x80])) != secret


@pytest.mark.parametrize("length", [0, 1, 1119, 1121, 1216])
def test_a_ciphertext_of_another_length_is_refused(length):
    with pytest.raises(BadKey, match="1120 bytes"):
        KEY.decapsulate(bytes(length))


@pytest.mark.parametrize("length", [0, 32, 1184, 1215, 1217])
def test_a_public_key_of_another_length_is_refused(length):
    with pytest.raises(BadKey, match="1216 bytes"):
        encapsulate(bytes(length), bytes(32))


def test_coefficients_beyond_the_modulus_are_refused():
    # FIPS 203 section 7.2: 0xfff is 4095, and q is 3329.
    with pytest.raises(BadKey, match="ML-KEM-768"):
        encapsulate(b"\xff" * 1184 + KEY.public[1184:], bytes(32))


@pytest.mark.parametrize("point", [bytes(32), b"\x01" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f"])
def test_points_of_low_order_are_refused_on_both_sides(point):
    ciphertext, _ = encapsulate(KEY.public, bytes(32))
    with pytest.raises(BadKey, match="low order"):
        KEY.decapsulate(ciphertext[:1088] + point)
    with pytest.raises(BadKey, match="low order"):
        encapsulate(KEY.public[:1184] + point, bytes(32))


def test_a_bad_key_is_the_other_nodes_fault():
    assert issubclass(BadKey, PeerViolation)
    assert BadKey.code == "bad_key"


@pytest.mark.parametrize("length", [0, 31, 33])
def test_seeds_have_32_bytes(length):
    with pytest.raises(ValueError, match="32 bytes"):
        XWingKey(bytes(length))
    with pytest.raises(ValueError, match="32 bytes"):
        encapsulate(KEY.public, bytes(length))


def test_the_x25519_half_is_the_one_expanded_from_the_seed():
    half = hashlib.shake_256(KEY.seed).digest(96)[64:]
    assert X25519PrivateKey.from_private_bytes(half).public_key().public_bytes_raw() == KEY.public[1184:]


def test_no_secret_is_shown():
    assert "abababab" not in repr(XWingKey(b"\xab" * 32))
