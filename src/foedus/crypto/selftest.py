"""The self-test: each primitive of this installation against published answers.

A library that was built wrongly, or swapped, is found before it signs anything. Sources: RFC 8032
section 7.1 test 2; RFC 8439 section 2.8.2; RFC 5869 appendix A.1; BIP-39's vector of 32 zero bytes;
ML-DSA-65's public key of the seed 00 to 1f (RFC 9881, example public keys); the first test vector of
draft-connolly-cfrg-xwing-kem. Argon2id and X-Wing's decapsulation are pinned to what this code gave
when the test suite had proved it against the official vectors and other implementations.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from foedus.crypto import aead, ed25519, kdf, labels, mldsa, sealed, words, xwing
from foedus.crypto.compare import equal
from foedus.crypto.errors import NotAuthentic, SelfTestFailed, WrongPassphrase

if TYPE_CHECKING:
    from collections.abc import Callable

_COUNTING = bytes(range(32))
_FLIP = bytes([1])

_ED25519_SEED = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
_ED25519_PUBLIC = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
_ED25519_SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)
_MLDSA_PUBLIC_SHA256 = bytes.fromhex("d666806e11cee19a7c989f7445f90dd419cf4d2d51db8c0fdb4c0f0a542238c9")

_XWING_SEED = bytes.fromhex("7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26")
_XWING_PUBLIC_SHA256 = bytes.fromhex("2e816deebcd76c5c80d0cd2d174478871658e8e2ff42bc9d4a6e486372e856bb")
# A ciphertext that nobody made: ML-KEM's implicit rejection answers, the X25519 part is the base point.
_XWING_STRAY = bytes(1088) + b"\x09" + bytes(31)
_XWING_STRAY_SECRET = bytes.fromhex("3d4b46f667e75a27f76b3989c09b6a853f7be15a1c098c32043cec060bbdb672")

_AEAD_KEY = bytes(range(0x80, 0xA0))
_AEAD_NONCE = bytes.fromhex("070000004041424344454647")
_AEAD_AAD = bytes.fromhex("50515253c0c1c2c3c4c5c6c7")
_AEAD_PLAINTEXT = (
    b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
    b"sunscreen would be it."
)
_AEAD_TAG = bytes.fromhex("1ae10b594f09e26a7e902ecbd0600691")

_HKDF_OUTPUT = bytes.fromhex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865")
_ARGON2ID_SEALED_TAIL = bytes.fromhex("a279879bc612d98688425a617f6c5051")


def self_test() -> list[str]:
    """Run every check, some milliseconds in all, and return their names in order.

    Raises SelfTestFailed, which names the primitive, at the first that fails: sign nothing then.
    """
    for name, check in _CHECKS.items():
        try:
            passed = check()
        except Exception as error:
            raise SelfTestFailed(f"{name}: {error!r}") from error
        if not passed:
            raise SelfTestFailed(f"{name}: the answer is not the published one")
    return list(_CHECKS)


def _ed25519_answer() -> bool:
    key = ed25519.Ed25519Key(_ED25519_SEED)
    return equal(key.public, _ED25519_PUBLIC) and equal(key.sign(b"r"), _ED25519_SIGNATURE)


def _ed25519_tamper() -> bool:
    triple = (_ED25519_PUBLIC, b"r", _ED25519_SIGNATURE)
    forged = (_ED25519_PUBLIC, b"s", _ED25519_SIGNATURE)
    identity_point = (_FLIP + bytes(31), b"r", _FLIP + bytes(63))  # "valid" wherever low order is not refused
    return ed25519.verify_many([triple, forged, identity_point]) == [True, False, False]


def _mldsa_answer() -> bool:
    return equal(hashlib.sha256(mldsa.MlDsaKey(_COUNTING).public).digest(), _MLDSA_PUBLIC_SHA256)


def _mldsa_round_trip() -> bool:
    key = mldsa.MlDsaKey(_COUNTING)
    message = labels.signed_bytes("checkpoint", b"self-test")
    signature = key.sign(message)
    return mldsa.verify(key.public, message, signature) and not mldsa.verify(key.public, message + _FLIP, signature)


def _xwing_answer() -> bool:
    key = xwing.XWingKey(_XWING_SEED)
    public_is_right = equal(hashlib.sha256(key.public).digest(), _XWING_PUBLIC_SHA256)
    return public_is_right and equal(key.decapsulate(_XWING_STRAY), _XWING_STRAY_SECRET)


def _xwing_round_trip() -> bool:
    key = xwing.XWingKey(_XWING_SEED)
    ciphertext, secret = xwing.encapsulate(key.public, _COUNTING)
    changed = _flip_first(ciphertext)
    return equal(key.decapsulate(ciphertext), secret) and not equal(key.decapsulate(changed), secret)


def _aead_answer() -> bool:
    box = aead.seal(_AEAD_KEY, _AEAD_NONCE, _AEAD_PLAINTEXT, _AEAD_AAD)
    opened = aead.open_sealed(_AEAD_KEY, _AEAD_NONCE, box, _AEAD_AAD)
    return equal(box[-aead.TAG_BYTES :], _AEAD_TAG) and equal(opened, _AEAD_PLAINTEXT)


def _aead_tamper() -> bool:
    box = aead.seal(_AEAD_KEY, _AEAD_NONCE, _AEAD_PLAINTEXT, _AEAD_AAD)
    try:
        aead.open_sealed(_AEAD_KEY, _AEAD_NONCE, _flip_first(box), _AEAD_AAD)
    except NotAuthentic:
        return True
    return False


def _hkdf_answer() -> bool:
    info = bytes(range(0xF0, 0xFA))
    return equal(kdf.hkdf_sha256(b"\x0b" * 22, salt=bytes(range(13)), info=info, length=42), _HKDF_OUTPUT)


def _sealed_answer() -> bool:
    box = sealed.seal_secret(_COUNTING, "foedus", bytes(16), bytes(12), sealed.LEAST)
    return box.endswith(_ARGON2ID_SEALED_TAIL) and equal(sealed.open_secret(box, "foedus"), _COUNTING)


def _sealed_tamper() -> bool:
    box = sealed.seal_secret(_COUNTING, "foedus", bytes(16), bytes(12), sealed.LEAST)
    try:
        sealed.open_secret(box, "Foedus")
    except WrongPassphrase:
        return True
    return False


def _words_answer() -> bool:
    shown = words.to_words(bytes(32))
    return shown == ["abandon"] * 23 + ["art"] and words.from_words(" ".join(shown)) == bytes(32)


def _flip_first(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


_CHECKS: dict[str, Callable[[], bool]] = {
    "Ed25519 known answer": _ed25519_answer,
    "Ed25519 refuses what was changed": _ed25519_tamper,
    "ML-DSA-65 known key": _mldsa_answer,
    "ML-DSA-65 signs, verifies, refuses what was changed": _mldsa_round_trip,
    "X-Wing known key and secret": _xwing_answer,
    "X-Wing agrees, and a changed ciphertext does not": _xwing_round_trip,
    "ChaCha20-Poly1305 known answer": _aead_answer,
    "ChaCha20-Poly1305 refuses what was changed": _aead_tamper,
    "HKDF-SHA256 known answer": _hkdf_answer,
    "Argon2id sealing known answer": _sealed_answer,
    "Argon2id sealing refuses a wrong passphrase": _sealed_tamper,
    "recovery words known answer": _words_answer,
}
