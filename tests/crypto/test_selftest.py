import pytest

from foedus.crypto import aead, ed25519, kdf, mldsa, sealed, selftest, words, xwing
from foedus.crypto.errors import SelfTestFailed


def test_every_primitive_is_checked():
    names = selftest.self_test()
    assert len(names) == len(set(names)) == 12
    for primitive in ("Ed25519", "ML-DSA-65", "X-Wing", "ChaCha20-Poly1305", "HKDF", "Argon2id", "recovery words"):
        assert any(primitive in name for name in names), primitive


def other(value):
    return lambda *_, **__: value


BROKEN = {  # what a wrong library might do, and the first check that must find it
    "an Ed25519 that signs something else": (ed25519.Ed25519Key, "sign", other(bytes(64)), "Ed25519 known"),
    "an Ed25519 that accepts all": (ed25519, "verify", other(True), "Ed25519 refuses"),
    "an ML-DSA that accepts all": (mldsa, "verify", other(True), "ML-DSA-65 signs"),
    "an ML-DSA that refuses all": (mldsa, "verify", other(False), "ML-DSA-65 signs"),
    "an X-Wing without its label": (xwing, "_LABEL", b"", "X-Wing known"),
    "an X-Wing that gives one secret": (xwing, "encapsulate", other((bytes(1120), bytes(32))), "X-Wing agrees"),
    "an AEAD that does not encrypt": (aead, "seal", lambda _k, _n, text, _a: text + bytes(16), "ChaCha20"),
    "an AEAD that opens all": (aead, "open_sealed", other(selftest._AEAD_PLAINTEXT), "ChaCha20-Poly1305 refuses"),
    "an HKDF of zeros": (kdf, "hkdf_sha256", other(bytes(42)), "HKDF"),
    "an Argon2id of zeros": (sealed, "crypto_pwhash_alg", other(bytes(32)), "Argon2id sealing known"),
    "a sealing that opens to anybody": (sealed, "open_secret", other(bytes(range(32))), "Argon2id sealing refuses"),
    "words of another list": (words, "to_words", other(["abandon"] * 24), "recovery words"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_primitive_is_found_and_named(name, monkeypatch):
    where, what, broken, found_by = BROKEN[name]
    monkeypatch.setattr(where, what, broken)
    with pytest.raises(SelfTestFailed, match=found_by):
        selftest.self_test()


def test_a_primitive_that_raises_is_found_and_named(monkeypatch):
    def missing(_seed):
        raise RuntimeError("not in this build")

    monkeypatch.setattr(mldsa, "MlDsaKey", missing)
    with pytest.raises(SelfTestFailed, match=r"ML-DSA-65 known key.*not in this build"):
        selftest.self_test()
