"""Grants: the delegations that acts stand on, and how far each carries (docs/protocol.md, section 4).

A ``grant.create`` is an event in its issuer's own stream that holds a UCAN delegation; an act cites the event. Here it
is judged whether a cited grant is in force at the place of the act; whether a chain of them allows what is done, and
whether one of its issuers is a human that the receiving node believes, is the door's question (``trust.evaluator``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from foedus.base.cbor import Malformed, NotCanonical, decode
from foedus.base.clock import Instant
from foedus.base.errors import FoedusError
from foedus.base.limits import SECOND
from foedus.identity.did import did_of
from foedus.identity.ucan import Delegation, parse_delegation, parse_revocation
from foedus.identity.ucan.errors import InvalidSignature
from foedus.log.bodies import GrantCreate, GrantRevoke
from foedus.log.control import ControlEvent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from foedus.log.participants import Device, Participant

FOREVER: Instant = 1 << 62
"""Later than any clock of an event."""


class Grant(NamedTuple):
    """An honoured ``grant.create``: the event's id, whose it is, and the device that issued it."""

    id: bytes
    delegation: Delegation
    issuer: Participant
    device: Device

    def window(self) -> tuple[Instant, Instant]:
        """Return from when until before when it carries, in microseconds."""
        since, until = self.delegation.not_before, self.delegation.expires
        return (0 if since is None else since * SECOND, FOREVER if until is None else (until + 1) * SECOND)


class Withdrawal(NamedTuple):
    """An honoured ``grant.revoke``: chain id → last seq at which what it names still carries; ``event``: its id."""

    cuts: dict[bytes, int]
    event: bytes

    def leaves(self, chain_id: bytes, seq: int) -> bool:
        """Whether a place lies before the cut; a chain that is not named is cut at its start."""
        return seq <= self.cuts.get(chain_id, 0)


def delegation_of(event: ControlEvent) -> Delegation | str:
    """Return the delegation in a ``grant.create``, or the reason why it is none. Parsed and checked once."""
    if event.token is None:
        event.token = _delegation(event)
    found: Delegation | str = event.token
    return found


def _delegation(event: ControlEvent) -> Delegation | str:
    if not isinstance(event.body, GrantCreate) or event.act.device is None:
        return "malformed_event"
    try:
        found = parse_delegation(event.body.ucan)
    except FoedusError as error:
        return "invalid_signature" if isinstance(error, InvalidSignature) else "malformed_event"
    return found if found.issuer == did_of(event.act.device) else "not_permitted"


def expiry_of(body: GrantCreate) -> int | None:
    """Return when the delegation of an accepted event expires, in seconds since 1970 UTC; None: never.

    As a node starts it asks this of every grant there ever was, so it does not parse what it can pass over.
    """
    try:
        _, signed = decode(body.ucan)
    except (NotCanonical, Malformed):  # what only UCAN allows: links, floats
        return parse_delegation(body.ucan, verify=False).expires
    (payload,) = (value for key, value in signed.items() if key != "h")
    found: int | None = payload["exp"]
    return found


def revoked_by(event: ControlEvent) -> bytes | str:
    """Return the CID that a ``grant.revoke`` names, or the reason why it names none. Parsed and checked once."""
    if event.token is None:
        event.token = _revoked(event)
    found: bytes | str = event.token
    return found


def _revoked(event: ControlEvent) -> bytes | str:
    if not isinstance(event.body, GrantRevoke) or event.act.device is None:
        return "malformed_event"
    try:
        found = parse_revocation(event.body.ucan)
    except FoedusError as error:
        return "invalid_signature" if isinstance(error, InvalidSignature) else "malformed_event"
    return found.revoked if found.issuer == did_of(event.act.device) else "not_permitted"


def window(links: Iterable[Grant]) -> tuple[Instant, Instant]:
    """Return the time in which all of these grants carry."""
    windows = [link.window() for link in links]
    return max((since for since, _ in windows), default=0), min((until for _, until in windows), default=FOREVER)


def is_withdrawn(links: Sequence[Grant], position: int, chain_id: bytes, seq: int) -> bool:
    """Whether the link at ``position`` of the cited grants no longer carries at a place.

    Its device may have been revoked, or a participant who issued any of the cited grants withdrew it: were it only
    those cited before, whoever acts would choose by the order whose word counts.
    """
    link = links[position]
    if not link.device.speaks_at(chain_id, seq):
        return True
    for other in links:
        withdrawal = other.issuer.withdrawal(link.delegation.cid)
        if withdrawal is not None and not withdrawal.leaves(chain_id, seq):
            return True
    return False


def is_untouched(links: Sequence[Grant]) -> bool:
    """Whether no withdrawal and no revocation of a device bounds any of these grants."""
    return all(
        link.device.cuts is None and not any(other.issuer.has_withdrawn(link.delegation.cid) for other in links)
        for link in links
    )
