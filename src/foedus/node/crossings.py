"""Border acts at both doors: what an agent's act in a foreign room stands on, by ``trust.evaluator``.

``clause`` is the verdict on an event that is held, judged again at each reading; ``used_up`` is the one part of it that
depends on what came before, so it is judged once, when the event is admitted, and stored with it.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence

from foedus.base.clock import Instant
from foedus.base.limits import HOUR
from foedus.log.event import Act, Event, parse_event
from foedus.log.grants import Grant
from foedus.log.port import Verdict
from foedus.node.store import Store
from foedus.trust import border
from foedus.trust.border import Crossing
from foedus.trust.evaluator import Author, Decision, Terms, Withhold, decide

COUNTED_MAX = 4_096
"""Grants whose uses in the last hour are remembered; for others they are counted from the log again."""
USES_PER_HOUR_MAX = 10_000
"""Uses that a grant can count: a busy agent says three things a second."""
_PAGE = 500

TermsOf = Callable[[bytes, bytes], Terms]
"""(writing node, hosting node) → what the agreement in force says of the writing node."""


class Crossings:
    """Judges border acts, this node's own before they are ordered and those of others as they come and are read."""

    def __init__(self, store: Store, terms_of: TermsOf) -> None:
        self._store = store
        self._terms_of = terms_of
        self._uses: OrderedDict[bytes, deque[Instant]] = OrderedDict()

    def host_of(self, stream: str) -> bytes:
        """Return the host of the room whose stream this is; b'' where it is none, or not held."""
        kind, _, subject = stream.partition(":")
        room = self._store.admission.authority.rooms.get(bytes.fromhex(subject)) if kind == "room" else None
        return room.host if room is not None else b""

    def crossing(self, act: Act, stream: str, node: bytes) -> Crossing | None:
        """Return what an act asks of the other side, None where it crosses no border."""
        if act.device is None:
            return None
        host = self.host_of(stream)
        return border.in_room(act, stream.partition(":")[2], host, node) if host not in {b"", node} else None

    def clause(self, event: Event, node: bytes) -> str:
        """Return the clause by which another node's event is not shown here, or ''."""
        if node == self._store.node:
            return ""
        found = self._judge(event, node)
        return found.code if isinstance(found, Withhold) else ""

    def _judge(self, event: Event, node: bytes) -> Decision | None:
        crossing = self.crossing(event.act, event.stream, node)
        if crossing is None:
            return None
        grants = self._store.admission.authority.grants_of(event.act)
        return self.decide(crossing, event.act, node, grants, event.hlc[0])

    def decide(self, crossing: Crossing, act: Act, node: bytes, grants: Sequence[Grant], now: Instant) -> Decision:
        """Give the verdict on a crossing that cites ``grants``."""
        who = self._store.admission.authority.participants.get((node, act.author))
        is_human = who is not None and who.kind == "human" and who.custody == "device"
        author = Author(act.author, is_human, act.device or b"")
        return decide(crossing, author, grants, self._terms_of(node, bytes.fromhex(crossing.arguments["host"])), now)

    def approvals_needed(self, crossing: Crossing) -> int:
        """Return how many human signers of this node a crossing needs."""
        terms = self._terms_of(self._store.node, bytes.fromhex(crossing.arguments["host"]))
        return max(1, terms.approvals(crossing.command))

    # --- uses per hour -----------------------------------------------------------------------

    def used_up(self, event: Event, node: bytes) -> str:
        """Count an admitted border act against its grants; return the clause where one allows no more this hour."""
        if self.crossing(event.act, event.stream, node) is None:
            return ""
        limited = [grant for grant in self._store.admission.authority.grants_of(event.act) if uses_per_hour(grant)]
        if not all(self.has_uses(grant, event.hlc[0]) for grant in limited):
            return "grant.uses"
        for grant in limited:
            self._counted(grant).append(event.hlc[0])
        return ""

    def has_uses(self, grant: Grant, now: Instant, ahead: int = 0) -> bool:
        """Whether a grant allows one more act in the hour before ``now``, after ``ahead`` that are being ordered."""
        allowed = uses_per_hour(grant)
        if not allowed:
            return True
        return sum(at > now - HOUR for at in self._counted(grant)) + ahead < allowed

    def last_used(self, grant: Grant) -> Instant | None:
        """Return the clock of the last use that is counted, None where none is."""
        times = self._uses.get(grant.id)
        return times[-1] if times else None

    def _counted(self, grant: Grant) -> deque[Instant]:
        """Return the clocks of the last uses of a grant, oldest first; after a start they are read from the log."""
        times = self._uses.get(grant.id)
        if times is None:
            times = self._uses[grant.id] = deque(self._from_log(grant), maxlen=uses_per_hour(grant))
            if len(self._uses) > COUNTED_MAX:
                self._uses.popitem(last=False)
        self._uses.move_to_end(grant.id)
        return times

    def _from_log(self, grant: Grant) -> list[Instant]:
        since = self._store.now() - HOUR
        found: list[Instant] = []
        for chain in self._store.admission.chains.of_node(grant.issuer.node):
            if chain.kind == "room" and chain.seq and chain.hlc.us >= since:
                found += self._uses_in(chain.epoch, chain.stream, chain.seq, grant.id, since)
        return sorted(found)

    def _uses_in(self, epoch: bytes, stream: str, end: int, grant_id: bytes, since: Instant) -> list[Instant]:
        found: list[Instant] = []
        before = end + 1
        while before > max(1, end - USES_PER_HOUR_MAX):
            rows = self._store.log.chain_backwards(epoch, stream, before, _PAGE)
            for row in rows:
                counts = row.verdict is Verdict.ACCEPTED and not row.withheld
                if row.hlc.us >= since and counts and grant_id in parse_event(row.envelope).event.act.auth:
                    found.append(row.hlc.us)
            if not rows or rows[-1].hlc.us < since:
                break
            before = rows[-1].seq
        return found


def uses_per_hour(grant: Grant) -> int:
    """Return how many acts in an hour a grant allows; 0: as many as there are. What is no such number allows one."""
    if "uses_per_hour" not in grant.delegation.meta:
        return 0
    uses = grant.delegation.meta["uses_per_hour"]
    return uses if isinstance(uses, int) and 0 < uses <= USES_PER_HOUR_MAX else 1


def counts_after_foreign(grant: Grant) -> bool:
    """Whether a grant still counts after the agent has read what strangers wrote."""
    return grant.delegation.meta.get("after_foreign") is True
