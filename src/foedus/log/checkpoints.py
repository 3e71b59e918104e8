"""Checkpoints: head and count of a chain under both signature keys (docs/protocol.md, section 7)."""

from __future__ import annotations

from typing import Annotated, Protocol

from msgspec import Meta, Struct

from foedus.base.cbor import Malformed, NotCanonical, decode_as, encode, learn, to_plain
from foedus.base.clock import Instant
from foedus.base.limits import CHECKPOINT_EVENTS, CHECKPOINT_INTERVAL
from foedus.crypto import ed25519, mldsa
from foedus.crypto.labels import signed_bytes
from foedus.log import streams
from foedus.log.bodies import Checkpoint
from foedus.log.chains import Chain
from foedus.log.event import Id


class Signer(Protocol):
    """What signs a checkpoint: a key with ``sign``."""

    def sign(self, message: bytes) -> bytes:
        """Return the signature of ``message``."""
        ...


class Statement(Struct, frozen=True, forbid_unknown_fields=True):
    """What a checkpoint says: the chain held ``count`` events, the last of them ``id`` at ``seq``."""

    chain: Id
    epoch: Id
    seq: Annotated[int, Meta(ge=1, lt=1 << 53)]
    id: Id
    count: Annotated[int, Meta(ge=1, lt=1 << 53)]
    at: Annotated[int, Meta(ge=0, lt=1 << 62)]


def stream_for(stream: str) -> str:
    """Return the stream that carries the checkpoints of ``stream``: what everyone may see goes into ``node``."""
    return streams.NODE if streams.parse(stream).kind in {"node", "participant"} else stream


def is_due(changed: int, last_at: Instant, now: Instant) -> bool:
    """Whether a chain with ``changed`` events since its last checkpoint (taken at ``last_at``) needs one."""
    return changed >= CHECKPOINT_EVENTS or (changed > 0 and now - last_at >= CHECKPOINT_INTERVAL)


def make_checkpoint(chain: Chain, now: Instant, ed25519_key: Signer, mldsa65_key: Signer) -> bytes:
    """Return the body bytes of a checkpoint of ``chain`` as it stands."""
    statement = encode(
        to_plain(
            Statement(
                chain=streams.chain_id(chain.epoch, chain.stream),
                epoch=chain.epoch,
                seq=chain.seq,
                id=chain.id,
                count=chain.seq,
                at=now,
            ),
        ),
    )
    signed = signed_bytes("checkpoint", statement)
    body = {"statement": statement, "ed25519": ed25519_key.sign(signed), "mldsa65": mldsa65_key.sign(signed)}
    return encode(body)


def read_checkpoint(body: bytes, ed25519_public: bytes, mldsa65_public: bytes) -> Statement:
    """Return the statement of a checkpoint body; raise Malformed or NotCanonical unless both signatures hold."""
    checkpoint = decode_as(body, Checkpoint)
    signed = signed_bytes("checkpoint", checkpoint.statement)
    valid = ed25519.verify(ed25519_public, signed, checkpoint.ed25519) and mldsa.verify(
        mldsa65_public,
        signed,
        checkpoint.mldsa65,
    )
    if not valid:
        message = "a checkpoint needs both signatures of its epoch"
        raise Malformed(message)
    return decode_as(checkpoint.statement, Statement)


def is_valid(body: bytes, epoch: bytes, ed25519_public: bytes, mldsa65_public: bytes) -> bool:
    """Whether a checkpoint body is signed by both keys of ``epoch`` and speaks of a chain of it."""
    try:
        return read_checkpoint(body, ed25519_public, mldsa65_public).epoch == epoch
    except (Malformed, NotCanonical):
        return False


learn(Statement)
