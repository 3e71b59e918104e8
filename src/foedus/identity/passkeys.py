"""What a person's passkey confirms, beside the device that signs: a statement, by its hash as WebAuthn's challenge.

A statement is the bytes of the act that the device signed, or one of those below. It names what it is for, so an
answer serves for that alone, whoever carries it off.
"""

from __future__ import annotations

from foedus.base.cbor import encode
from foedus.base.ids import sha256
from foedus.crypto.labels import signed_bytes

SALT_BYTES = 32


def challenge(statement: bytes) -> bytes:
    """Return the challenge (32 bytes) that an authenticator signs for a statement (docs/protocol.md, section 11)."""
    return sha256(signed_bytes("passkey", statement))


def addition(node: bytes, did: str, name: str, salt: bytes) -> bytes:
    """Return the statement by which a passkey is added to a person at a node. ``salt``: 32 random bytes, once."""
    return encode({"add": name, "did": did, "node": node, "salt": salt})


def removal(node: bytes, did: str, passkey: bytes) -> bytes:
    """Return the statement by which one is removed. ``passkey``: SHA-256 of its credential id."""
    return encode({"did": did, "node": node, "remove": passkey})
