"""Border acts at both doors: what an agent's act in a foreign room stands on, by ``trust.evaluator``.

``clause`` is the verdict on an event that is held, judged again at each reading. ``arrived`` is that on one that
becomes accepted, with the one part that depends on what came before: whether its grants are used up. That is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from foedus.base.clock import Instant
from foedus.log import streams
from foedus.log.event import Act, Event
from foedus.log.grants import Grant, window
from foedus.log.memberships import Membership, Room
from foedus.log.port import Value
from foedus.node.grant_uses import GrantUses, uses_per_hour
from foedus.node.kept_uses import KeptUses
from foedus.node.store import Store
from foedus.trust import border
from foedus.trust.border import Crossing
from foedus.trust.evaluator import Allow, Author, Decision, Layers, Seat, Terms, Withhold, decide, layers
from foedus.trust.standing import Standing

KNOWN_MAX = 4_096
"""Verdicts that are remembered: authors who talk at one time, as in the authority verdict."""
_STEADY = frozenset({".room", ".domain", ".host", ".kind"})
KNOWLEDGE = "knowledge:"

TermsOf = Callable[[bytes, bytes], Terms]
"""(writing node, hosting node) → what the agreement in force says of the writing node."""


class _Judged(NamedTuple):
    """A verdict, by which terms, in which time, and those of the cited grants whose uses are counted."""

    decision: Decision
    terms: Terms
    since: Instant
    until: Instant
    limited: list[Grant]


_Key = tuple[str, bytes, str, bytes | None, str, tuple[bytes, ...]]
"""(stream, writing node, author, device, kind, auth): what a verdict can depend on beside the act's digest and time."""


class Arrival(NamedTuple):
    """A border act that becomes accepted. At most one is named; with neither, the act is let in and counted."""

    clause: str
    """Why the door does not show it now."""
    used_up: str
    """Why it never will: its grants allow no more this hour."""


_LET_IN = Arrival("", "")
_USED_UP = Arrival("", "grant.uses")


class Crossings:
    """Judges border acts, this node's own before they are ordered and those of others as they come and are read."""

    def __init__(self, store: Store, terms_of: TermsOf) -> None:
        self._store = store
        self.terms_of = terms_of
        self.grants_count: Callable[[bytes], bool] = lambda _node: True
        """Whether grants of this node's people still count, by its reputation."""
        self._kept = KeptUses(store)
        self.uses = GrantUses(store, self._kept)
        self._known: dict[_Key, _Judged] = {}
        self._batch: dict[_Key, _Judged] | None = None
        self.is_assured = True
        """Whether humans count here by a key on a device of their own; named signers count by what is named."""
        self.standing_of: Callable[[bytes, str], Standing] = lambda _node, _did: Standing.NORMAL
        """(node, DID) → the participant's standing here."""
        store.on_reload.append(self._reload)

    def host_of(self, stream: str) -> bytes:
        """Return the host of a room by its stream; b'' where it is none, or not held. Knowledge comes to us."""
        if stream.startswith(KNOWLEDGE):
            return self._store.node
        room_id = streams.room_of(stream)
        room = self._store.admission.authority.rooms.get(room_id) if room_id is not None else None
        return room.host if room is not None else b""

    def crossing(self, act: Act, stream: str, node: bytes) -> Crossing | None:
        """Return what an act asks of the other side, None where it crosses no border."""
        if act.device is None:
            return None
        host = self.host_of(stream)
        return _crossing(act, stream, host, node) if host not in {b"", node} else None

    def clause(self, event: Event, node: bytes) -> str:
        """Return the clause by which another node's event is not shown here, or ''."""
        if node == self._store.node:
            return ""
        if event.act.device is None:
            return self.unnamed(event.act, event.stream, node)
        found = self._judge(event, node)
        return "" if found is None else self.code(found.decision, event.act, node)

    def is_named_only(self, node: bytes, host: bytes) -> bool:
        """Whether of a node's people only named ones speak at a host, by the terms in force."""
        return self.terms_of(node, host).named_only

    def unnamed(self, act: Act, stream: str, node: bytes) -> str:
        """Return the clause by which a node's own words do not cross, or ''.

        A node that speaks for itself is its operator's word; where only named humans count it is nobody's.
        """
        if act.device is not None or act.kind in border.UPKEEP:
            return ""
        host = self.host_of(stream)
        if host in {b"", node}:
            return ""
        return "agreement.humans" if self.terms_of(node, host).named_only else ""

    def code(self, decision: Decision, act: Act, node: bytes) -> str:
        """Return the clause by which a decision holds back another node's act, or ''."""
        if isinstance(decision, Withhold):
            return decision.code
        by_grants = act.author not in decision.humans
        return "grant.reputation" if by_grants and not self.grants_count(node) else ""

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Take agreement, policy and reputation as they are now for all that is judged inside; nothing awaits there."""
        self._batch = {}
        try:
            yield
        finally:
            self._batch = None

    def arrived(self, event: Event, node: bytes) -> Arrival | None:
        """Judge an event that becomes accepted, and count its use of its grants; None where it is no border act."""
        act = event.act
        key = (event.stream, node, act.author, act.device, act.kind, act.auth)
        judged = self._batch.get(key) if self._batch else None
        at = event.hlc[0]
        if judged is None or not judged.since <= at < judged.until:
            found = self._arrived_first(event, node, key)
            if not isinstance(found, _Judged):
                return found
            judged = found
        return self._use(judged.limited, at) if judged.limited else _LET_IN

    def _arrived_first(self, event: Event, node: bytes, key: _Key) -> _Judged | Arrival | None:
        """Judge what equals nothing before it; return the verdict that lets it in, else what it comes to."""
        act = event.act
        if act.device is None:
            clause = self.unnamed(act, event.stream, node) if node != self._store.node else ""
            return Arrival(clause, "") if clause else None
        if node == self._store.node and event.stream.startswith(KNOWLEDGE):
            self._count_published(act, event.hlc[0])
            return None
        if self.host_of(event.stream) in {b"", node}:
            return None
        judged = self._judge(event, node)
        clause = self.code(judged.decision, act, node) if judged is not None and node != self._store.node else ""
        if clause or judged is None:
            return Arrival(clause, "")
        if self._batch is not None and self._known.get(key) is judged:
            self._batch[key] = judged
        return judged

    def _judge(self, event: Event, node: bytes) -> _Judged | None:
        """Return the verdict on a crossing; one that does not depend on the single act is remembered."""
        act = event.act
        host = self.host_of(event.stream)
        if act.device is None or host in {b"", node}:
            return None
        terms = self.terms_of(node, host)
        key = (event.stream, node, act.author, act.device, act.kind, act.auth)
        known = self._known.get(key)
        if known is not None and known.terms is terms and known.since <= event.hlc[0] < known.until:
            return known
        crossing = _crossing(act, event.stream, host, node)
        if crossing is None:
            return None
        grants = self._store.admission.authority.grants_of(act)
        decision = self.decide(crossing, act, node, grants, event.hlc[0])
        found = _Judged(decision, terms, *window(grants), [grant for grant in grants if uses_per_hour(grant)])
        if isinstance(decision, Allow) and not any(depends_on_act(grant) for grant in grants):
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            self._known[key] = found
        return found

    def decide(self, crossing: Crossing, act: Act, node: bytes, grants: Sequence[Grant], now: Instant) -> Decision:
        """Give the verdict on a crossing that cites ``grants``."""
        author, terms, seat = self._asked(crossing, act, node)
        return decide(crossing, author, grants, terms, now, seat=seat)

    def layers(self, crossing: Crossing, act: Act, node: bytes, grants: Sequence[Grant], now: Instant) -> Layers:
        """Return what each layer says of the same by itself."""
        author, terms, seat = self._asked(crossing, act, node)
        return layers(crossing, author, grants, terms, now, seat=seat)

    def _asked(self, crossing: Crossing, act: Act, node: bytes) -> tuple[Author, Terms, Seat]:
        who = self._store.admission.authority.participants.get((node, act.author))
        is_human = who is not None and who.kind == "human" and who.custody == "device"
        terms = self.terms_of(node, bytes.fromhex(crossing.arguments["host"]))
        counts = self.is_assured or (terms.signers is not None and act.author in terms.signers)
        signer = self._store.admission.authority.signer(act, node)
        author = Author(act.author, is_human and counts, signer or b"")
        return author, terms, self.seat(crossing, node, act.author)

    def seat(self, crossing: Crossing, node: bytes, did: str) -> Seat:
        """Return the author's role and standing. The role in what others wrote is for the authority verdict."""
        role = self.role(crossing.arguments.get("room", ""), node, did) if node == self._store.node else None
        return Seat(role, self.standing_of(node, did))

    def role(self, room: str, node: bytes, did: str | None) -> int | None:
        """Return the role that a participant (None: the node itself) has in a room now; None where it has none."""
        held = self._store.admission.authority.rooms.get(bytes.fromhex(room))
        return self.role_by(held, held.of(node, did), node, did) if held is not None else None

    def role_by(self, room: Room, membership: Membership | None, node: bytes, did: str | None) -> int | None:
        """Return the role that somebody has in a room by a membership; None without one."""
        if membership is None:
            return None
        who = self._store.admission.authority.participants.get((node, did)) if did is not None else None
        return room.role_of(membership, did, who.kind if who is not None else None)

    def forget(self) -> None:
        """Judge anew what was judged before: somebody's standing, or the policy, changed."""
        self._known.clear()

    def _reload(self) -> None:
        """Count and judge again what the log holds: what was counted may not have become durable."""
        self.uses.clear()
        self.forget()

    def approvals_needed(self, crossing: Crossing) -> int:
        """Return how many human signers of this node a crossing needs."""
        terms = self.terms_of(self._store.node, bytes.fromhex(crossing.arguments["host"]))
        return max(1, terms.approvals(crossing.command))

    def _count_published(self, act: Act, at: Instant) -> None:
        """Count what this node published: it crosses at each node that takes it up, and each counts it, too."""
        for grant in self._store.admission.authority.grants_of(act):
            if uses_per_hour(grant):
                self.uses.note(grant, at)

    # --- uses per hour -----------------------------------------------------------------------

    def _use(self, limited: Sequence[Grant], now: Instant) -> Arrival:
        """Count a border act against its grants, unless one of them allows no more in the hour before it."""
        if not all(self.has_uses(grant, now) for grant in limited):
            return _USED_UP
        for grant in limited:
            self.uses.note(grant, now)
        return _LET_IN

    def count(self, limited: Sequence[Grant], now: Instant) -> bool:
        """Count a use of grants that is no event, such as a question; False where one of them allows no more now."""
        return self._use(limited, now) is _LET_IN

    def kept(self, limited: Sequence[Grant], now: Instant) -> list[Value]:
        """Return what has to be stored so that a use that was counted counts after a restart, too."""
        return self._kept.add(limited, [uses_per_hour(grant) for grant in limited], now)

    def uncount(self, limited: Sequence[Grant], at: Instant, kept: Sequence[Value]) -> None:
        """Take back a use that was counted ``at`` an instant: what keeps it could not be stored."""
        for grant in limited:
            self.uses.take_back(grant, at)
        self._kept.drop(kept)

    def has_uses(self, grant: Grant, now: Instant, ahead: int = 0) -> bool:
        """Whether a grant allows one more act in the hour before ``now``, after ``ahead`` that are being ordered."""
        return self.uses.allows(grant, now, ahead)

    def last_used(self, grant: Grant) -> Instant | None:
        """Return the clock of the last use that is counted, None where none is."""
        return self.uses.last(grant)


def _crossing(act: Act, stream: str, host: bytes, node: bytes) -> Crossing | None:
    kind, subject = streams.parse(stream)
    return (border.in_knowledge if kind == "knowledge" else border.in_room)(act, subject, host, node)


def depends_on_act(grant: Grant) -> bool:
    """Whether a policy looks at more than room, host and kind: then each act is judged by itself."""
    return any(selector not in _STEADY for selector in selectors(grant.delegation.policy.plain))


def selectors(statements: Sequence[Any]) -> Iterator[str]:
    """Yield the selectors of a policy, those of quantified statements included."""
    for statement in statements:
        match statement:
            case ["and" | "or", list(inner)]:
                yield from selectors(inner)
            case ["not", list(inner)]:
                yield from selectors([inner])
            case [_, str(selector), *_]:
                yield selector


def counts_after_foreign(grant: Grant) -> bool:
    """Whether a grant still counts after the agent has read what strangers wrote."""
    return grant.delegation.meta.get("after_foreign") is True
