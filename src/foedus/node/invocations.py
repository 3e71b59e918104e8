"""Questions and calls that a device signed: whose they are, and whether its grants carry them. One judge for both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from foedus.base.errors import UsageError
from foedus.crypto import ed25519
from foedus.log.grants import Grant, is_untouched
from foedus.log.participants import Participant
from foedus.trust.border import Crossing
from foedus.trust.evaluator import Allow, Author, Decision, Seat, Withhold, decide

if TYPE_CHECKING:
    from foedus.node.composition import Node


class Invocation(Protocol):
    """What a question and a call have in common. ``device``: None where the node itself asks."""

    @property
    def node(self) -> bytes:
        """Whose it is."""
        ...

    @property
    def epoch(self) -> bytes:
        """The epoch of its node that signs it."""
        ...

    @property
    def device(self) -> bytes | None:
        """The key that signs it first."""
        ...

    @property
    def auth(self) -> tuple[bytes, ...]:
        """The events that it stands on."""
        ...


class Signatures(NamedTuple):
    """What was signed, and by whom: ``sig`` by the node, ``asig`` by the device."""

    message: bytes
    sig: bytes
    asig: bytes | None


def fault_of(node: Node, asked: Invocation, signed: Signatures) -> str:
    """Return why another node's invocation is not its own: ``superseded``, ``invalid_signature``; '' where it is.

    The record of its epoch is held, or was waited for.
    """
    identities = node.store.identities
    view, newest = identities.epoch(asked.epoch), identities.newest(asked.node)
    if view is None or view.node != asked.node or newest is None or newest.id != asked.epoch:
        return "superseded"
    if (asked.device is None) != (signed.asig is None) or not ed25519.verify(view.ed25519, signed.message, signed.sig):
        return "invalid_signature"
    if asked.device is None or signed.asig is None:
        return ""
    return "" if ed25519.verify(asked.device, signed.message, signed.asig) else "invalid_signature"


def is_enrolled(who: Participant, asked: Invocation) -> bool:
    """Whether the device is the participant's now, by an enrolment that is cited."""
    device = who.devices.get(asked.device) if asked.device is not None else None
    return device is not None and device.cuts is None and device.enrolment in asked.auth


def in_force(grants: Sequence[Grant]) -> list[Grant]:
    """Return the cited grants that still carry: neither device nor grant was withdrawn by one of the issuers cited."""
    return [
        grant
        for grant in grants
        if is_untouched([grant]) and not any(other.issuer.has_withdrawn(grant.delegation.cid) for other in grants)
    ]


def decide_here(node: Node, asked: Invocation, crossing: Crossing, who: Participant, grants: list[Grant]) -> Decision:
    """Return whether another node's participant may invoke this here, by agreement, grants and reputation."""
    terms = node.agreements.border_terms(asked.node, node.store.node)
    is_human = who.kind == "human" and who.custody == "device"
    counts = node.crossings.is_assured or (terms.signers is not None and who.did in terms.signers)
    author = Author(who.did, is_human and counts, asked.device or b"")
    seat = Seat(None, node.crossings.standing_of(asked.node, who.did))
    decision = decide(crossing, author, grants, terms, node.store.now(), seat=seat)
    by_grants = isinstance(decision, Allow) and who.did not in decision.humans
    if by_grants and not node.crossings.grants_count(asked.node):
        return Withhold("grant", "reputation")
    return decision


def signer_of(node: Node, what: str, asked: Invocation, did: str, signed: tuple[bytes, bytes]) -> Participant:
    """Return who of this node signed an invocation (``what``: in words) that goes out; raise UsageError.

    ``signed``: the message, and the device's signature of it.
    """
    if asked.device is None or (asked.node, asked.epoch) != (node.store.node, node.store.epoch):
        raise UsageError(
            f"the {what} is not of a device of this node, in the epoch in force",
            code="superseded",
            remedy="make it with what GET /api/v1/signing returns",
        )
    who = node.agents.find(did)
    if not is_enrolled(who, asked):
        raise UsageError("the device is not enrolled, or not cited", code="unknown_device", http_status=403)
    if not ed25519.verify(asked.device, *signed):
        raise UsageError(f"the {what} is not signed by its device", code="invalid_signature")
    return who
