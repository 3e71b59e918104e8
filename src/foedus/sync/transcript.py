"""The bytes of the handshake: shapes, hashes, keys and proofs (docs/protocol.md section 5).

Everything here is a function of its arguments; ``handshake`` adds the order and the time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeAlias

from msgspec import Meta, Struct

from foedus.base.cbor import Malformed, NotCanonical, decode_as, encode, frame, learn, to_plain
from foedus.base.errors import PeerViolation
from foedus.base.ids import sha256
from foedus.base.limits import FRAME_MAX, HANDSHAKE_BYTES_MAX
from foedus.crypto.aead import NONCE_BYTES, Direction, open_sealed, seal
from foedus.crypto.kdf import hkdf_sha256
from foedus.crypto.labels import signed_bytes
from foedus.crypto.xwing import CIPHERTEXT_BYTES, PUBLIC_BYTES
from foedus.identity.keys import Ed25519Sig, MlDsaSig, SigningKeys, both_hold, sign_both
from foedus.identity.record import RECORDS_PER_NODE, SignedRecord, parse_signed_record, verify_history
from foedus.sync.capabilities import Capabilities
from foedus.sync.frames.fields import PlainRecord

VERSION: Final = 1
RANDOM_BYTES: Final = 32
KEY_BYTES: Final = 32
FIRST_NONCE: Final = bytes(NONCE_BYTES)

Role: TypeAlias = Literal["initiator", "responder"]
Random: TypeAlias = Annotated[bytes, Meta(min_length=RANDOM_BYTES, max_length=RANDOM_BYTES)]
_LABELS: dict[Role, str] = {"initiator": "link-i", "responder": "link-r"}


class BadHandshake(PeerViolation):
    """A message of the handshake is not what it has to be. ``code`` says in which way."""

    code = "bad_handshake"
    remedy = "the other node must follow docs/protocol.md section 5; if it does, something between changes the bytes"


class M1(Struct, frozen=True, forbid_unknown_fields=True):
    """I to R, in the clear: the ephemeral X-Wing key ``e``."""

    e: Annotated[bytes, Meta(min_length=PUBLIC_BYTES, max_length=PUBLIC_BYTES)]
    random: Random
    ticket: None
    versions: Annotated[tuple[Annotated[int, Meta(ge=1, lt=1 << 16)], ...], Meta(min_length=1, max_length=16)]


class C2(Struct, frozen=True, forbid_unknown_fields=True):
    """The clear part of M2."""

    ciphertext: Annotated[bytes, Meta(min_length=CIPHERTEXT_BYTES, max_length=CIPHERTEXT_BYTES)]
    random: Random
    version: Annotated[int, Meta(ge=VERSION, le=VERSION)]


class M2(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """R to I: ``clear`` are the bytes of C2, ``sealed`` R's proof."""

    clear: Annotated[bytes, Meta(max_length=HANDSHAKE_BYTES_MAX)]
    sealed: bytes


class Proof(Struct, frozen=True, forbid_unknown_fields=True):
    """Who a side is: its records, oldest first, and two signatures by the newest record's keys."""

    capabilities: Capabilities
    ed25519: Ed25519Sig
    mldsa65: MlDsaSig
    records: Annotated[tuple[PlainRecord, ...], Meta(min_length=1, max_length=RECORDS_PER_NODE)]


class Claim(NamedTuple):
    """A proof taken apart. ``said`` are the signed bytes of {capabilities, records}."""

    history: tuple[SignedRecord, ...]
    capabilities: Capabilities
    signatures: tuple[bytes, bytes]
    said: bytes

    @property
    def node(self) -> bytes:
        """The node that this claims to be."""
        return self.history[0].node


def transcript(*parts: bytes) -> bytes:
    """Return ``H(parts) = SHA-256(frame(part) || ...)``, 32 bytes."""
    return sha256(*(frame(part) for part in parts))


def handshake_key(secret: bytes, h2: bytes, role: Role) -> bytes:
    """Return the key that seals the proof of ``role``; ``h2 = H(M1, C2)``."""
    return hkdf_sha256(secret, salt=h2, info=f"foedus link handshake {role}/1".encode(), length=KEY_BYTES)


def traffic(secret: bytes, h3: bytes, role: Role) -> Direction:
    """Return the direction in which ``role`` sends; ``h3 = H(M1, M2, M3)``."""
    return Direction(hkdf_sha256(secret, salt=h3, info=f"foedus link traffic {role}/1".encode(), length=KEY_BYTES))


def read_m1(message: bytes) -> M1:
    """Return M1; raise BadHandshake, code ``version`` where none of ours is offered."""
    m1: M1 = _read(message, M1, HANDSHAKE_BYTES_MAX)
    if VERSION not in m1.versions:
        raise BadHandshake(f"the other node offers link versions {list(m1.versions)}, not {VERSION}", code="version")
    return m1


def write_m1(public: bytes, random: bytes) -> bytes:
    """Return the bytes of M1."""
    return encode({"e": public, "random": random, "ticket": None, "versions": [VERSION]})


def read_m2(message: bytes) -> tuple[M2, C2]:
    """Return M2 and its clear part; raise BadHandshake."""
    m2 = _read(message, M2, FRAME_MAX)
    return m2, _read(m2.clear, C2, HANDSHAKE_BYTES_MAX)


def write_m2(clear: bytes, sealed: bytes) -> bytes:
    """Return the bytes of M2."""
    return encode([clear, sealed])


def write_c2(ciphertext: bytes, random: bytes) -> bytes:
    """Return the bytes of C2."""
    return encode({"ciphertext": ciphertext, "random": random, "version": VERSION})


def write_said(capabilities: Capabilities, history: Sequence[SignedRecord]) -> bytes:
    """Return the bytes of {capabilities, records}."""
    return encode({"capabilities": to_plain(capabilities), "records": [signed.plain() for signed in history]})


def seal_proof(
    role: Role,
    keys: SigningKeys,
    capabilities: Capabilities,
    history: Sequence[SignedRecord],
    before: Sequence[bytes],
    key: bytes,
) -> bytes:
    """Sign ``H(*before, said)`` and return the proof sealed under ``key``, with ``H(*before)`` as its aad.

    Costs an ML-DSA signing, about 1 ms.
    """
    said = write_said(capabilities, history)
    ed25519_signature, mldsa_signature = sign_both(keys, _signed(role, before, said))
    plain = {
        "capabilities": to_plain(capabilities),
        "ed25519": ed25519_signature,
        "mldsa65": mldsa_signature,
        "records": [signed.plain() for signed in history],
    }
    return seal(key, FIRST_NONCE, encode(plain), transcript(*before))


def open_proof(sealed: bytes, before: Sequence[bytes], key: bytes) -> Claim:
    """Open the other side's proof. Nothing of it is checked yet but the shape.

    Raises NotAuthentic (changed bytes, or another secret: this is the confirmation of the KEM), BadHandshake.
    """
    data = open_sealed(key, FIRST_NONCE, sealed, transcript(*before))
    proof = _read(data, Proof, FRAME_MAX)
    try:
        history = tuple(parse_signed_record(record) for record in proof.records)
    except (Malformed, NotCanonical) as error:
        raise BadHandshake(str(error)) from None
    return Claim(history, proof.capabilities, (proof.ed25519, proof.mldsa65), write_said(proof.capabilities, history))


def verify_claim(role: Role, claim: Claim, before: Sequence[bytes], known: Callable[[bytes], bool]) -> None:
    """Check the history, then both signatures by its newest keys; raise BadRecord or BadHandshake.

    Where ``known`` says of every epoch that its record is verified and held, the records' own
    signatures are not checked again, only that they follow each other.
    """
    if all(known(signed.id) for signed in claim.history):
        _check_order(claim.history)
    else:
        verify_history(claim.history)
    keys = claim.history[-1].record.keys
    if not both_hold((keys.ed25519, keys.mldsa65), _signed(role, before, claim.said), claim.signatures):
        raise BadHandshake("the other node does not hold the keys that it shows", code="invalid_signature")


def _check_order(history: Sequence[SignedRecord]) -> None:
    for position, signed in enumerate(history):
        previous = history[position - 1].id if position else None
        if signed.record.n != position or signed.record.prev != previous:
            raise BadHandshake("the identity records do not follow each other")


def _signed(role: Role, before: Sequence[bytes], said: bytes) -> bytes:
    return signed_bytes(_LABELS[role], transcript(*before, said))


def _read(data: bytes, shape: type[Any], limit: int) -> Any:
    if len(data) > limit:
        raise BadHandshake(f"a message of {len(data)} bytes, where at most {limit} fit", code="too_large")
    try:
        return decode_as(data, shape)
    except (Malformed, NotCanonical) as error:
        raise BadHandshake(str(error)) from None


learn(M1, C2, M2, Proof)
