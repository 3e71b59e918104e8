from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foedus.crypto.mldsa import MlDsaKey, verify
from tests.vectors import load_vectors

KEY = MlDsaKey(bytes(range(32)))
SIGNED = (KEY.public, b"message", KEY.sign(b"message"))


def test_wycheproof_agrees_in_every_case_without_a_context():
    # foedus signs with the empty context alone. Seven cases have another: 3 and 4 are valid under it, and
    # so refused here; 5 and 153 to 156 have a context longer than FIPS 204 allows.
    wrong, with_context, results = [], {}, Counter()
    for group in load_vectors("wycheproof_mldsa_65_verify_test.json")["testGroups"]:
        public = bytes.fromhex(group["publicKey"])
        for case in group["tests"]:
            answer = verify(public, bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]))
            results[case["result"]] += 1
            if case.get("ctx"):
                with_context[case["tcId"]] = (case["result"], answer)
            elif answer != (case["result"] == "valid"):
                wrong.append(case["tcId"])
    assert (wrong, results) == ([], {"valid": 79, "invalid": 131})
    assert with_context == {
        **dict.fromkeys((3, 4), ("valid", False)),
        **dict.fromkeys((5, 153, 154, 155, 156), ("invalid", False)),
    }


def test_the_sizes_are_those_of_fips_204():
    assert (len(KEY.public), len(SIGNED[2])) == (1952, 3309)


def test_a_signature_holds_and_is_hedged():
    again = KEY.sign(b"message")
    assert verify(*SIGNED)
    assert verify(KEY.public, b"message", again)
    assert again != SIGNED[2]


def test_one_seed_is_one_key():
    assert MlDsaKey(KEY.seed).public == KEY.public
    assert verify(KEY.public, b"message", MlDsaKey(KEY.seed).sign(b"message"))


@settings(max_examples=50)
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
    assert verify(KEY.public, message, signature) is False


@pytest.mark.parametrize("part", [0, 1, 2])
@pytest.mark.parametrize("value", [None, "x" * 64, 7])
def test_what_is_not_bytes_is_refused(part, value):
    parts = list(SIGNED)
    parts[part] = value
    assert verify(*parts) is False


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_seed_has_32_bytes(length):
    with pytest.raises(ValueError, match="32 bytes"):
        MlDsaKey(bytes(length))


def test_no_secret_is_shown():
    key = MlDsaKey(b"\xab" * 32)
    assert "abababab" not in repr(key) + str(key)
