"""The one evaluator of the door verdict on a border act: agreement and grant and room, in this order.

Pure: what the node knows comes as ``Terms``, ``Author`` and the honoured grants that the act cites. Tiers, standing and
roles are presets of these three layers and not judged beside them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Literal, NamedTuple, TypeAlias

from foedus.base.clock import Instant
from foedus.base.limits import SECOND
from foedus.identity.did import did_of
from foedus.identity.ucan import CHAIN_MAX, Budget, Delegation, check_chain
from foedus.identity.ucan.errors import UcanRefused
from foedus.log import roles
from foedus.log.grants import Grant
from foedus.trust.border import Crossing
from foedus.trust.standing import Right, Standing, may, right_for

CHAINS_MAX = 16
"""Chains looked at for one act: more than signers that any agreement asks for; parallel links multiply them."""

LINKS_MAX = 4_096
"""Links looked at for one act, each as often as chains pass it: the paths through links can be many more than these."""
POLICY_STEPS_MAX = 2_000
"""Steps that all policies of one act may cost together, some 1 ms: a chain of three with sixty rooms each takes 700."""

Layer: TypeAlias = Literal["agreement", "grant", "room"]


class Allow(NamedTuple):
    """The act may pass. ``humans``: the DIDs of those in whose name."""

    humans: tuple[str, ...] = ()


class Withhold(NamedTuple):
    """The act may not pass: which layer says so, by which clause."""

    layer: Layer
    clause: str

    @property
    def code(self) -> str:
        """The clause as it is stored and shown: ``grant.human_required``."""
        return f"{self.layer}.{self.clause}"


Decision: TypeAlias = Allow | Withhold


class Author(NamedTuple):
    """Who acts: a participant of the writing node, and the device that signed (32-byte key)."""

    did: str
    is_human: bool
    device: bytes


class Terms(NamedTuple):
    """What the version of the agreement that was in force says of the writing node.

    ``signers``: the DIDs of its human signers; None where this node has no agreement with the writing node (a third
    node, met in a room): then any human of that node counts. ``refuses`` names the clause that forbids a command, or
    is ''. ``named_only``: humans who are not signers do not even speak for themselves. ``approvals``: how many
    signers a command needs.
    """

    signers: frozenset[str] | None
    refuses: Callable[[str], str]
    approvals: Callable[[str], int]
    named_only: bool = False

    def names(self, did: str) -> bool:
        """Whether a DID counts as a human signer."""
        return self.signers is None or did in self.signers


def no_clause(_command: str) -> str:
    """Forbid no command."""
    return ""


def one_signer(_command: str) -> int:
    """Ask one human signer."""
    return 1


WITHOUT_AGREEMENT = Terms(None, no_clause, one_signer)
"""What is asked of a node that this one has no agreement with."""


class Seat(NamedTuple):
    """What the place of an act says of its author.

    ``role``: its role in the room (``log.roles``), None where the authority verdict has judged that, or there is no
    room. ``standing``: its standing at this node.
    """

    role: int | None
    standing: Standing


def decide(  # what the three layers ask for
    crossing: Crossing, author: Author, grants: Sequence[Grant], terms: Terms, now: Instant, *, seat: Seat
) -> Decision:
    """Give the verdict on a border act: the first layer that refuses. ``grants``: those that it cites.

    ``now``: the event's clock.
    """
    refused = by_agreement(crossing, author, terms)
    if refused is not None:
        return refused
    decision = by_grant(crossing, author, grants, terms, now)
    if isinstance(decision, Withhold):
        return decision
    return by_room(crossing, author, terms, seat) or decision


class Layers(NamedTuple):
    """What each layer says by itself; ``decide`` is the first that refuses."""

    agreement: Withhold | None
    grant: Decision
    room: Withhold | None

    @property
    def first(self) -> Withhold | None:
        """The layer that decides, None where all allow."""
        refusals = (decision for decision in self if isinstance(decision, Withhold))
        return next(refusals, None)


def layers(  # as decide
    crossing: Crossing, author: Author, grants: Sequence[Grant], terms: Terms, now: Instant, *, seat: Seat
) -> Layers:
    """Ask every layer, to explain what ``decide`` says of the same."""
    return Layers(
        by_agreement(crossing, author, terms),
        by_grant(crossing, author, grants, terms, now),
        by_room(crossing, author, terms, seat),
    )


def by_agreement(crossing: Crossing, author: Author, terms: Terms) -> Withhold | None:
    """Return what the agreement in force forbids, or None."""
    clause = terms.refuses(crossing.command)
    if clause:
        return Withhold("agreement", clause)
    is_outside = author.is_human and terms.named_only and not terms.names(author.did)
    return Withhold("agreement", "humans") if is_outside else None


def by_grant(crossing: Crossing, author: Author, grants: Sequence[Grant], terms: Terms, now: Instant) -> Decision:
    """Return in whose name the act is done; humans speak for themselves."""
    return Allow((author.did,)) if author.is_human else _by_grants(crossing, author, grants, terms, now)


def by_room(crossing: Crossing, author: Author, terms: Terms, seat: Seat) -> Withhold | None:
    """Return what role and standing forbid, or None. A human whom the agreement names opens what it is about."""
    refused = by_role(seat.role, crossing.arguments.get("kind", ""))
    if refused is not None:
        return refused
    is_named = author.is_human and terms.names(author.did)
    return None if is_named else by_standing(seat.standing, right_for(crossing.command))


def by_role(role: int | None, kind: str) -> Withhold | None:
    """Return what a role forbids in a room, whether or not the act crosses a border."""
    return None if role is None or roles.may(role, roles.right_for(kind)) else Withhold("room", "role")


def by_standing(standing: Standing, right: Right) -> Withhold | None:
    """Return what a standing forbids at this node."""
    return None if may(standing, right) else Withhold("room", "standing")


def _by_grants(crossing: Crossing, author: Author, grants: Sequence[Grant], terms: Terms, now: Instant) -> Decision:
    """Look for chains from human signers to the device: as many signers as the agreement asks for."""
    found = Withhold("grant", "human_required")
    humans: dict[str, None] = {}
    budget = Budget(POLICY_STEPS_MAX)
    for chain in islice(chains_to(did_of(author.device), grants), CHAINS_MAX):
        clause = _fault(crossing, author.device, chain, terms, now, budget)
        if clause:
            found = Withhold("grant", clause)
        else:
            humans[chain[0].issuer.did] = None
    if len(humans) >= max(1, terms.approvals(crossing.command)):
        return Allow(tuple(humans))
    return Withhold("grant", "approvals") if humans else found


def _fault(
    crossing: Crossing, device: bytes, chain: Sequence[Grant], terms: Terms, now: Instant, budget: Budget
) -> str:
    """Return the clause by which a chain does not carry the act, or ''."""
    root = chain[0]
    if root.issuer.kind != "human" or root.issuer.custody != "device":
        return "human_required"
    if not terms.names(root.issuer.did):
        return "signer"
    try:
        check_chain(
            [link.delegation for link in chain],
            issuer=did_of(device),
            subject=root.delegation.issuer,
            command=crossing.command,
            arguments=crossing.arguments,
            now_s=now // SECOND,
            revoked=_not_here,
            budget=budget,
        )
    except UcanRefused as error:
        return error.code.removeprefix("ucan_")
    return ""


def _not_here(_cid: bytes) -> bool:
    """Leave revocations to the authority verdict, which knows their cuts."""
    return False


def chains_to(audience: str, grants: Sequence[Grant]) -> Iterator[tuple[Grant, ...]]:
    """Yield the chains, root first, by which ``grants`` reach ``audience`` (a device's did:key); the shortest first.

    The links of a chain are about one subject and pass no device twice. What no root carries is not looked at, so
    links that lead nowhere neither cost anything nor hide a chain that leads somewhere.
    """
    carried = _carried(grants)
    waiting: deque[tuple[Grant, ...]] = deque((link,) for link in islice(carried.get(audience, ()), LINKS_MAX))
    left = LINKS_MAX - len(waiting)
    while waiting:
        chain = waiting.popleft()
        top = chain[0].delegation
        if is_root(top):
            yield chain
        elif len(chain) < CHAIN_MAX and all(link.delegation.audience != top.issuer for link in chain):
            above = (link for link in carried.get(top.issuer, ()) if link.delegation.subject == top.subject)
            longer = [(link, *chain) for link in islice(above, left)]
            left -= len(longer)
            waiting.extend(longer)


def _carried(grants: Sequence[Grant]) -> dict[str, list[Grant]]:
    """Return, by audience and in their order, the links to which a chain leads from a root of their subject."""
    takers: dict[tuple[str | None, str], list[str]] = {}
    for link in grants:
        takers.setdefault((link.delegation.subject, link.delegation.issuer), []).append(link.delegation.audience)
    reached = {(link.delegation.subject, link.delegation.issuer) for link in grants if is_root(link.delegation)}
    new = list(reached)
    while new:
        subject, giver = new.pop()
        further = {(subject, taker) for taker in takers.get((subject, giver), ())} - reached
        reached |= further
        new += further
    found: dict[str, list[Grant]] = {}
    for link in grants:
        if (link.delegation.subject, link.delegation.issuer) in reached:
            found.setdefault(link.delegation.audience, []).append(link)
    return found


def is_root(delegation: Delegation) -> bool:
    """Whether its issuer delegates what is its own."""
    return delegation.subject == delegation.issuer
