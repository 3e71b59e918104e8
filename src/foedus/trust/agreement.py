"""The starter agreement (docs/protocol.md, section 6): what two nodes sign when they connect.

The requester drafts it with its own human signers, the accepter fills in its own and nothing else,
the requester signs only if that is so. All functions are pure; signatures are over the exact bytes.
A draft whose accepter names no signers is also the final document; what makes a connection is never
the draft's signature alone but the ``accepted`` and ``confirmed`` that follow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from foedus.base.errors import PeerViolation
from foedus.crypto import ed25519
from foedus.crypto.labels import signed_bytes
from foedus.trust.agreements.document import Agreement, is_starter, read, starter, write

if TYPE_CHECKING:
    from collections.abc import Sequence


class AgreementRefused(PeerViolation):
    """The document is not what this node can sign: other nodes, or more changed than the accepter's own list."""

    code = "agreement_refused"
    remedy = "the other node must offer an agreement as docs/protocol.md section 6 says; request again"


class BadAgreementSignature(PeerViolation):
    """The signature is not the other node's over these bytes."""

    code = "invalid_signature"
    remedy = "the other node must sign with the key of its newest identity record"


def draft(own: bytes, peer: bytes, own_signers: Sequence[str], salt: bytes) -> bytes:
    """Return the bytes of a requester's draft. ``salt`` is 32 random bytes; raises Malformed on invalid DIDs."""
    nodes = _nodes(own, peer)
    return write(starter(nodes, (own_signers, ()) if own == nodes[0] else ((), own_signers), salt))


def parse(document: bytes, own: bytes, peer: bytes) -> Agreement:
    """Decode an agreement of exactly these two nodes; raise NotCanonical, Malformed or AgreementRefused."""
    agreement = read(document)
    if agreement.nodes != _nodes(own, peer):
        raise AgreementRefused("the agreement is not between these two nodes")
    return agreement


def check_draft(document: bytes, own: bytes, peer: bytes) -> Agreement:
    """Return the draft that ``peer`` sent; raise unless it is a starter of us two and leaves our list empty."""
    agreement = parse(document, own, peer)
    if not is_starter(agreement):
        raise AgreementRefused("a connection begins with the terms of the starter agreement; propose others later")
    if agreement.signers_of(own):
        raise AgreementRefused("the draft names human signers for this node; only this node may")
    return agreement


def complete(document: bytes, own: bytes, peer: bytes, own_signers: Sequence[str]) -> bytes:
    """Return ``peer``'s draft with our signers filled in: the final bytes, which both nodes sign.

    Raises NotCanonical, Malformed or AgreementRefused where the draft cannot be signed.
    """
    agreement = check_draft(document, own, peer)
    return write(_with_signers(agreement, own, own_signers))


def check_completed(document: bytes, final: bytes, own: bytes, peer: bytes) -> None:
    """Raise AgreementRefused unless ``final`` is our draft with ``peer``'s own list filled in and nothing else."""
    completed = parse(final, own, peer)
    if _with_signers(completed, peer, ()) != parse(document, own, peer):
        raise AgreementRefused("the other node changed more of the agreement than its own list of signers")


def answers(document: bytes, final: bytes, own: bytes, peer: bytes) -> bool:
    """Tell whether ``final`` is about our draft at all, or an answer to a former one (another salt)."""
    return parse(document, own, peer).salt == parse(final, own, peer).salt


def sign(key: ed25519.Ed25519Key, document: bytes) -> bytes:
    """Return this node's signature of a draft or final document (64 bytes)."""
    return key.sign(signed_bytes("agreement", document))


def is_signed(document: bytes, public: bytes, signature: bytes) -> bool:
    """Tell whether ``signature`` is that of ``public`` over these bytes."""
    return ed25519.verify(public, signed_bytes("agreement", document), signature)


def verify(document: bytes, public: bytes, signature: bytes) -> None:
    """Raise BadAgreementSignature unless ``signature`` is that of ``public`` over these bytes."""
    if not is_signed(document, public, signature):
        raise BadAgreementSignature("the agreement is not signed by the other node")


def in_order(own: bytes, peer: bytes, own_signature: bytes, peer_signature: bytes) -> tuple[bytes, bytes]:
    """Return both signatures as the body of ``agreement.sign`` has them: that of the smaller node id first."""
    return (own_signature, peer_signature) if own < peer else (peer_signature, own_signature)


def _nodes(own: bytes, peer: bytes) -> tuple[bytes, bytes]:
    if own == peer:
        raise AgreementRefused("an agreement is between two nodes", remedy="name another node than this one")
    return (own, peer) if own < peer else (peer, own)


def _with_signers(agreement: Agreement, node: bytes, signers: Sequence[str]) -> Agreement:
    """Return the starter with another list of signers of ``node``."""
    named = starter(agreement.nodes, (signers, signers), agreement.salt).signers
    lists = (named[0], agreement.signers[1]) if agreement.nodes[0] == node else (agreement.signers[0], named[1])
    return replace(agreement, signers=lists)
