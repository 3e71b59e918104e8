import struct

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from hypothesis import given, settings
from hypothesis import strategies as st

from foedus.base.errors import UsageError
from foedus.crypto import sealed as module
from foedus.crypto.errors import DamagedSecret, PassphraseRequired, WrongPassphrase
from foedus.crypto.sealed import LEAST, MEMORY_KIB_MAX, MODERATE, PASSES_MAX, Cost, open_secret, seal_secret

SALT, NONCE = bytes(range(16)), bytes(range(12))
HEADER = 49


def seal_quickly(secret=b"secret", passphrase="correct horse"):  # noqa: S107 - it opens nothing
    return seal_secret(secret, passphrase, SALT, NONCE, LEAST)


@settings(max_examples=50)
@given(st.binary(max_size=100), st.text(min_size=1, max_size=30))
def test_what_was_sealed_opens(secret, passphrase):
    box = seal_quickly(secret, passphrase)
    assert len(box) == len(secret) + 65
    assert open_secret(box, passphrase) == secret


@pytest.mark.parametrize("cost", [LEAST, MODERATE])
def test_another_implementation_opens_it(cost):
    """Argon2id by OpenSSL instead of libsodium, and the layout written out a second time."""
    box = seal_secret(b"secret", "correct horse", SALT, NONCE, cost)
    magic, passes, memory_kib, salt, nonce = struct.unpack(">16sBI16s12s", box[:HEADER])
    assert (magic, salt, nonce, (passes, memory_kib)) == (b"foedus-sealed/1\0", SALT, NONCE, cost)
    key = Argon2id(salt=salt, length=32, iterations=passes, lanes=1, memory_cost=memory_kib).derive(b"correct horse")
    assert ChaCha20Poly1305(key).decrypt(nonce, box[HEADER:], box[:HEADER]) == b"secret"


def test_the_usual_cost_is_moderate():
    assert seal_secret(b"", "p", SALT, NONCE)[16:21] == struct.pack(">BI", 3, 65536)


@pytest.mark.parametrize("passphrase", ["Correct horse", "correct horse ", "c", "correct horse\0"])
def test_a_wrong_passphrase_is_the_callers_mistake(passphrase):
    with pytest.raises(WrongPassphrase) as caught:
        open_secret(seal_quickly(), passphrase)
    assert isinstance(caught.value, UsageError)
    assert caught.value.code == "wrong_passphrase"


def test_one_passphrase_however_the_keyboard_composes_it():
    assert open_secret(seal_quickly(passphrase="caf\u00e9"), "cafe\u0301") == b"secret"


def test_a_terminal_that_is_not_utf_8_can_type_a_passphrase():
    assert open_secret(seal_quickly(passphrase="caf\udce9"), "caf\udce9") == b"secret"


@pytest.mark.parametrize("use", [seal_quickly, lambda passphrase: open_secret(seal_quickly(), passphrase)])
def test_an_empty_passphrase_is_none(use):
    with pytest.raises(PassphraseRequired):
        use(passphrase="")


def test_no_changed_byte_opens(monkeypatch):
    box = seal_quickly()
    monkeypatch.setattr(module, "MEMORY_KIB_MAX", 1024)  # so that a changed cost is not worked off here
    for place in range(len(box)):
        with pytest.raises((WrongPassphrase, DamagedSecret)):
            open_secret(box[:place] + bytes([box[place] ^ 1]) + box[place + 1 :], "correct horse")


def test_no_truncation_opens():
    box = seal_quickly()
    for length in range(len(box)):
        with pytest.raises((WrongPassphrase, DamagedSecret)):
            open_secret(box[:length], "correct horse")


@pytest.mark.parametrize(
    "cost",
    [(0, 8), (1, 7), (1, 0), (PASSES_MAX + 1, 8), (1, MEMORY_KIB_MAX + 1), (255, 2**32 - 1)],
)
def test_a_hostile_file_cannot_demand_gigabytes(cost, monkeypatch):
    monkeypatch.setattr(module, "crypto_pwhash_alg", lambda *_: pytest.fail("the work was begun"))
    box = struct.pack(">16sBI16s12s", b"foedus-sealed/1\0", *cost, SALT, NONCE) + bytes(48)
    with pytest.raises(DamagedSecret, match="more than foedus allows"):
        open_secret(box, "correct horse")
    with pytest.raises(ValueError, match="out of range"):
        seal_secret(b"", "correct horse", SALT, NONCE, Cost(*cost))


@pytest.mark.parametrize(("salt", "nonce"), [(bytes(15), NONCE), (SALT, bytes(11)), (b"", b"")])
def test_salt_and_nonce_have_their_lengths(salt, nonce):
    with pytest.raises(ValueError, match="out of range"):
        seal_secret(b"", "correct horse", salt, nonce, LEAST)
