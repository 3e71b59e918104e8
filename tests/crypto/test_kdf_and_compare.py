import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.crypto.compare import equal
from foedus.crypto.kdf import hkdf_sha256

RFC_5869 = {  # appendix: (secret, salt, info, length, output)
    "A.1": (
        b"\x0b" * 22,
        bytes(range(13)),
        bytes(range(0xF0, 0xFA)),
        42,
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    ),
    "A.2": (
        bytes(range(0x50)),
        bytes(range(0x60, 0xB0)),
        bytes(range(0xB0, 0x100)),
        82,
        (
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
            "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"
        ),
    ),
    "A.3": (
        b"\x0b" * 22,
        b"",
        b"",
        42,
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    ),
}


@pytest.mark.parametrize("name", RFC_5869)
def test_rfc_5869(name):
    secret, salt, info, length, output = RFC_5869[name]
    assert hkdf_sha256(secret, salt=salt, info=info, length=length).hex() == output


def slow_hkdf(secret, salt, info, length):
    """RFC 5869 sections 2.2 and 2.3, as they stand there."""
    extracted = hmac.digest(salt or bytes(32), secret, hashlib.sha256)
    output, block = b"", b""
    for counter in range(1, -(-length // 32) + 1):
        block = hmac.digest(extracted, block + info + bytes([counter]), hashlib.sha256)
        output += block
    return output[:length]


@given(st.binary(max_size=80), st.binary(max_size=80), st.binary(max_size=80), st.integers(1, 8160))
def test_the_slow_twin_agrees(secret, salt, info, length):
    assert hkdf_sha256(secret, salt=salt, info=info, length=length) == slow_hkdf(secret, salt, info, length)


@pytest.mark.parametrize("length", [-1, 0, 8161])
def test_a_length_out_of_range_is_an_error_of_the_program(length):
    with pytest.raises(ValueError, match=r"."):
        hkdf_sha256(b"secret", salt=b"", info=b"", length=length)


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_equal_is_equality(a, b):
    assert equal(a, b) == (a == b)
    assert equal(a, bytes(bytearray(a)))
