"""May somebody ask a council for an update? Two rules, of which only the first has a say in the ordering.

**The common rule** every member judges alike: by the events that it holds, which in the end all members do, and by no
agreement, tier, reputation or policy of its own. A member neither keeps nor proposes nor prepares what it refuses. What
a quorum prepared is not judged again, and what a machine makes of it depends on the order alone.

**The door** stands at the author's own node, before it asks anybody: there its agreements with the other members
count, its policy, and the uses that its people's grants have left.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from foedus.base.cbor import encode
from foedus.base.clock import Instant
from foedus.base.errors import UsageError
from foedus.base.ids import sha256
from foedus.base.limits import MINUTE, SECOND
from foedus.consensus.membership import Membership
from foedus.consensus.updates import Update
from foedus.identity.did import did_of
from foedus.log.grants import Grant, is_untouched, window
from foedus.log.participants import Participant
from foedus.node.council_inbox import Pace
from foedus.node.crossings import Crossings, selectors
from foedus.node.grant_uses import uses_per_hour
from foedus.node.publisher import Published
from foedus.node.store import Store
from foedus.trust.border import PROPOSE, Crossing
from foedus.trust.evaluator import WITHOUT_AGREEMENT, Author, Seat, Withhold, by_grant, decide

ASKED = "council.update"
"""The kind by which policies and people know an update."""
SKEW = MINUTE
"""How far members' clocks may be apart at the end of a grant: its author's node judges by its own clock alone."""
KNOWN_MAX = 4_096
"""Verdicts on agents that are remembered, for a second: authors with what they cite. One takes a millisecond."""
JUDGED_PER_SECOND = 128
"""Verdicts on agents of one node that are not remembered: an eighth of a processor."""
_MEMBERSHIPS_MAX = 256


class _Known(NamedTuple):
    clause: str
    until: Instant
    nodes: frozenset[bytes]
    """Whose people it depends on."""


class NotPermitted(UsageError):
    """The author may not ask the council for this; ``code`` is the clause."""

    code = "not_permitted"
    http_status = 403
    remedy = "see docs/council.md, who may ask"


def council_crossing(council: bytes, command: bytes, host: bytes | None = None) -> Crossing:
    """Return what an update asks of the other members. ``host``: the one whose agreement is looked at, at the door."""
    arguments = {"council": council.hex(), "kind": ASKED, "digest": asked_of(council, command).hex()}
    return Crossing(PROPOSE, arguments if host is None else {**arguments, "host": host.hex()})


def asked_of(council: bytes, command: bytes) -> bytes:
    """Return the digest of what is asked: the same whenever, so that a human can allow that alone."""
    return sha256(encode([council, command]))


class CouncilJudge:
    """One per node."""

    def __init__(self, store: Store, crossings: Crossings) -> None:
        self._store = store
        self._crossings = crossings
        self._voters: dict[bytes, dict[bytes, str]] = {}
        self._known: dict[tuple[bytes, str, bytes, tuple[bytes, ...]], _Known] = {}
        self._paces: dict[bytes, Pace] = {}
        store.publisher.listeners.append(self._published)
        store.on_reload.append(self._forget)

    def _forget(self) -> None:
        self._known.clear()

    def _published(self, published: Published) -> None:
        """Judge anew at once what depends on people of a node that says something of them; all else within a second."""
        epochs = {epoch for epoch, stream in published.chains if stream.startswith("participant:")}
        nodes = {self._store.identities.node_of(epoch) for epoch in epochs}
        if nodes:
            self._known = {key: it for key, it in self._known.items() if nodes.isdisjoint(it.nodes)}

    # --- the common rule ---------------------------------------------------------------------

    def may(self, membership: Membership, update: Update) -> bool:
        """Whether an update may be asked for, by what every member judges alike."""
        return not self.clause(membership, update)

    def clause(self, membership: Membership, update: Update) -> str:
        """Return the clause by which an update may not be asked for, or ''."""
        voter = self._voters_of(membership).get(update.device)
        if voter is not None:
            return "" if voter == update.author else "author"
        key = (membership.id, update.author, update.device, update.auth)
        known, now = self._known.get(key), self._store.now()
        if known is not None and now < known.until:
            return known.clause
        who = self._author(membership, update)
        if who is None or _speaks_for_themselves(who):
            return "" if who is not None else "unknown_device"
        if not self._paces.setdefault(who.node, Pace(JUDGED_PER_SECOND)).allows(now):
            return "too_often"
        judged = self._judge(membership, update, who, now)
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        if judged.until > now:
            self._known[key] = judged
        return judged.clause

    def _voters_of(self, membership: Membership) -> dict[bytes, str]:
        """Return key → DID of the members, who may ask by the keys that they vote by."""
        held = self._voters.get(membership.id)
        if held is None:
            if len(self._voters) >= _MEMBERSHIPS_MAX:
                self._voters.clear()
            held = self._voters[membership.id] = {it.ed25519: did_of(it.ed25519) for it in membership.members}
        return held

    def _author(self, membership: Membership, update: Update) -> Participant | None:
        """Return the participant of a member whose enrolled device asks and cites its enrolment."""
        participants = self._store.admission.authority.participants
        for member in membership.members:
            who = participants.get((member.node, update.author))
            device = who.devices.get(update.device) if who is not None else None
            if device is not None and device.cuts is None and device.enrolment in update.auth:
                return who
        return None

    def _judge(self, membership: Membership, update: Update, who: Participant, now: Instant) -> _Known:
        """Judge an agent's update, and say until when all that cite the same are judged so; 0: this one alone."""
        grants = self._grants(membership, update)
        author = Author(who.did, False, update.device)  # noqa: FBT003  # not a human who speaks for themselves
        crossing = council_crossing(update.council, update.command)
        found = [by_grant(crossing, author, grants, WITHOUT_AGREEMENT, at) for at in (now, now - SKEW, now + SKEW)]
        if any(depends_on_update(grant) for grant in grants):
            until = 0
        else:
            since, end = window(grants)
            until = min(end + SKEW, now + SECOND) if now >= since else 0
        refusals = [it.code for it in found if isinstance(it, Withhold)]
        clause = refusals[0] if len(refusals) == len(found) else ""
        return _Known(clause, until, frozenset({who.node, *(grant.issuer.node for grant in grants)}))

    def _grants(self, membership: Membership, update: Update) -> list[Grant]:
        """Return the grants in force that an update cites, of people of the members."""
        authority = self._store.admission.authority
        nodes = {member.node for member in membership.members}
        held = [event for event in map(authority.control, update.auth) if event is not None]
        found = [grant for event in held if event.act.kind == "grant.create" and (grant := authority.grant(event))]
        return [
            grant
            for grant in found
            if grant.issuer.node in nodes
            and grant.device.cuts is None
            and is_untouched([grant])
            and not any(other.issuer.has_withdrawn(grant.delegation.cid) for other in found)
        ]

    # --- the door ----------------------------------------------------------------------------

    def check(self, membership: Membership, update: Update) -> None:
        """Raise NotPermitted where a participant of this node, or this node, may not ask; count its grants' uses."""
        clause = self.clause(membership, update)
        who = self._store.admission.authority.participants.get((self._store.node, update.author))
        is_own = update.device in self._voters_of(membership)
        if not clause and not is_own and (who is None or update.device not in who.devices):
            clause = "foreign"  # members bring what their own people ask for
        if not clause:
            clause = self._refused_by_terms(membership, update, None if is_own else who)
        if clause:
            raise NotPermitted(f"{update.author} may not ask the council for this: {clause}", code=clause)

    def check_all(self, membership: Membership, updates: Sequence[Update]) -> None:
        """As ``check``, for each; once for those of one author that cite the same, where nothing else is looked at."""
        alike: dict[tuple[str, bytes, tuple[bytes, ...]], bool] = {}
        for update in updates:
            key = (update.author, update.device, update.auth)
            if not alike.get(key, False):
                self.check(membership, update)
                grants = self._grants(membership, update)
                alike[key] = not any(depends_on_update(it) or uses_per_hour(it) for it in grants)

    def _refused_by_terms(self, membership: Membership, update: Update, who: Participant | None) -> str:
        """Return the clause by which what was agreed with a member forbids it, or ''."""
        grants = self._grants(membership, update)
        now = self._store.now()
        for member in membership.members:
            if member.node == self._store.node:
                continue
            crossing = council_crossing(update.council, update.command, member.node)
            clause = self._clause_at(crossing, member.node, update, who, grants)
            if clause:
                return clause
        limited = [grant for grant in grants if uses_per_hour(grant)]
        is_bound = who is not None and not _speaks_for_themselves(who) and limited
        return "grant.uses" if is_bound and not self._crossings.count(limited, now) else ""

    def _clause_at(
        self, crossing: Crossing, host: bytes, update: Update, who: Participant | None, grants: Sequence[Grant]
    ) -> str:
        own = self._store.node
        terms = self._crossings.terms_of(own, host)
        if who is None:
            refused = terms.refuses(crossing.command)
            return f"agreement.{refused}" if refused else "agreement.humans" if terms.named_only else ""
        counts = self._crossings.is_assured or (terms.signers is not None and who.did in terms.signers)
        author = Author(who.did, _speaks_for_themselves(who) and counts, update.device)
        seat = Seat(None, self._crossings.standing_of(own, who.did))
        decision = decide(crossing, author, grants, terms, self._store.now(), seat=seat)
        return decision.code if isinstance(decision, Withhold) else ""


def _speaks_for_themselves(who: Participant) -> bool:
    return who.kind == "human" and who.custody == "device"


_STEADY = frozenset({".council", ".kind"})


def depends_on_update(grant: Grant) -> bool:
    """Whether a policy looks at more than council and kind: then each update is judged by itself."""
    return any(selector not in _STEADY for selector in selectors(grant.delegation.policy.plain))
