"""ChaCha20-Poly1305 (RFC 8439), and one direction of a link with its counter nonce."""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from foedus.base.limits import FRAMES_PER_KEY_MAX
from foedus.crypto.errors import KeySpent, NotAuthentic

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16


def seal(key: bytes, nonce: bytes, plaintext: bytes, aad: bytes = b"") -> bytes:
    """Return ``plaintext`` encrypted and authenticated together with ``aad``: 16 bytes longer.

    ``key`` has 32 bytes; ``nonce`` (12 bytes) must never serve twice under one key. Raises
    ValueError on other lengths.
    """
    return ChaCha20Poly1305(key).encrypt(nonce, plaintext, aad)


def open_sealed(key: bytes, nonce: bytes, sealed: bytes, aad: bytes = b"") -> bytes:
    """Return the plaintext of ``sealed``.

    Raises NotAuthentic where key, nonce, ``aad`` or any bit differs from what ``seal`` was given,
    ValueError where key or nonce has the wrong length.
    """
    return _open(ChaCha20Poly1305(key), nonce, sealed, aad)


class Direction:
    """What one side of a link sends, in order: message n is sealed under nonce n.

    The nonce is four zero bytes and the count as u64 big-endian. The sender only seals and the
    receiver only opens; each holds its own Direction, in one thread. ``count`` is how many messages
    have passed.
    """

    __slots__ = ("_cipher", "count")

    def __init__(self, key: bytes) -> None:
        """Start at message 0 under ``key`` (32 bytes, ValueError otherwise), which serves nothing else."""
        self._cipher = ChaCha20Poly1305(key)
        self.count = 0

    def seal(self, plaintext: bytes, aad: bytes = b"") -> bytes:
        """Return the next message sealed (16 bytes longer); raise KeySpent after 2^32 messages."""
        sealed = self._cipher.encrypt(self._nonce(), plaintext, aad)
        self.count += 1
        return sealed

    def open(self, sealed: bytes, aad: bytes = b"") -> bytes:
        """Return the next message's plaintext; raise KeySpent after 2^32 messages.

        Raises NotAuthentic where it was changed, dropped, repeated or reordered. The count then stays
        as it was: a forged frame does not shut out the true one.
        """
        plaintext = _open(self._cipher, self._nonce(), sealed, aad)
        self.count += 1
        return plaintext

    def _nonce(self) -> bytes:
        if self.count >= FRAMES_PER_KEY_MAX:
            raise KeySpent(f"this key has served {FRAMES_PER_KEY_MAX} messages")
        return self.count.to_bytes(NONCE_BYTES, "big")

    def __repr__(self) -> str:
        return f"Direction(count={self.count})"


def _open(cipher: ChaCha20Poly1305, nonce: bytes, sealed: bytes, aad: bytes) -> bytes:
    try:
        return cipher.decrypt(nonce, sealed, aad)
    except InvalidTag:
        raise NotAuthentic("the sealed bytes are not what the key's holder sealed") from None
