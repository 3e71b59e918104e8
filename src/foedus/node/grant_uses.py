"""How often grants were used in the last hour: counted for those that allow only so many acts, bounded for each node.

After a start acts are read from the log, as far as READ_MAX goes, and other uses from what is kept of them. Where the
bound is reached, or what it would take is not read, such grants of the node carry nothing until the hour has passed
over what is not counted: a limit that is not kept would be none. Other grants, and what a human allows, go on.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right, insort
from collections.abc import Iterator, Sequence

from foedus.base.clock import Instant
from foedus.base.limits import HOUR, SECOND
from foedus.log.citing import CITING
from foedus.log.event import Act, read_event
from foedus.log.grants import Grant
from foedus.log.port import Row, Verdict
from foedus.node.kept_uses import KeptUses
from foedus.node.store import Store

COUNTED_MAX = 4_096
"""Grants of one node that allow so many uses an hour and are used in an hour; further ones carry nothing then."""
USES_PER_HOUR_MAX = 10_000
"""Uses that a grant can count: a busy agent says three things a second."""
USES_MAX = 32_768
"""Uses of all such grants of one node in an hour: nine a second, 256 KiB of memory. Of 1,024 peers 256 MiB."""
READ_MAX = 16_384
"""Events that are read to count anew after a start: a quarter of a second."""
_SWEEP_EVERY = 10 * SECOND
"""At the bound: what has become older than an hour is let go so often, not at each act."""
_PAGE = 500


class _NodeUses:
    """The counted uses of the grants of one node's people."""

    def __init__(self) -> None:
        self.times: dict[bytes, array[int]] = {}
        self.held = 0
        self.unread_until: Instant = 0
        """Until then acts may fall into the hour that are not counted."""
        self._sweep_at: Instant = 0

    def has_room(self, grant: bytes, now: Instant) -> bool:
        """Whether one more use of a grant can be counted."""
        if not self.fits(grant) and now >= self._sweep_at:
            self._sweep(now)
        return now >= self.unread_until and self.fits(grant)

    def fits(self, grant: bytes) -> bool:
        """Whether one more use fits beside those that are held."""
        return self.held < USES_MAX and (grant in self.times or len(self.times) < COUNTED_MAX)

    def _sweep(self, now: Instant) -> None:
        for grant, times in list(self.times.items()):
            old = bisect_right(times, now - HOUR)
            self.held -= old
            del times[:old]
            if not times:
                del self.times[grant]
        self._sweep_at = now + _SWEEP_EVERY

    def note(self, grant: bytes, allowed: int, at: Instant) -> None:
        """Count a use; as many are kept as the grant allows."""
        times = self.times.setdefault(grant, array("q"))
        before = len(times)
        insort(times, at)
        del times[:-allowed]
        self.held += len(times) - before

    def take_back(self, grant: bytes, at: Instant) -> None:
        """Undo ``note``. What it let go beyond the allowed number was older than an hour, or it had not been let in."""
        times = self.times.get(grant)
        if times is not None and at in times:
            times.remove(at)
            self.held -= 1


class GrantUses:
    """The counted uses of all grants."""

    def __init__(self, store: Store, kept: KeptUses | None = None) -> None:
        self._store = store
        self._kept = kept
        self._nodes: dict[bytes, _NodeUses] = {}

    def clear(self) -> None:
        """Count again what the log holds."""
        self._nodes.clear()

    def allows(self, grant: Grant, now: Instant, ahead: int = 0) -> bool:
        """Whether a grant allows one more act in the hour before ``now``, after ``ahead`` that are being ordered."""
        allowed = uses_per_hour(grant)
        if not allowed:
            return True
        uses = self._of_node(grant.issuer.node)
        if not uses.has_room(grant.id, now):
            return False
        times = uses.times.get(grant.id, ())
        return len(times) - bisect_right(times, now - HOUR) + ahead < allowed

    def note(self, grant: Grant, at: Instant) -> None:
        """Count a use of a grant that ``allows`` it."""
        self._of_node(grant.issuer.node).note(grant.id, uses_per_hour(grant), at)

    def take_back(self, grant: Grant, at: Instant) -> None:
        """Undo ``note``: nothing was done."""
        self._of_node(grant.issuer.node).take_back(grant.id, at)

    def last(self, grant: Grant) -> Instant | None:
        """Return the clock of the last use that is counted, None where none is."""
        uses = self._nodes.get(grant.issuer.node)
        times = uses.times.get(grant.id) if uses is not None else None
        return times[-1] if times else None

    def _of_node(self, node: bytes) -> _NodeUses:
        """Return the counted uses of a node; after a start they are read from the log, once."""
        uses = self._nodes.get(node)
        if uses is None:
            uses = self._nodes[node] = _NodeUses()
            for at, act in sorted(self._from_log(node, uses), key=lambda use: -use[0]):
                if not self._count(uses, act, at):
                    break
            for use in self._kept.of_node(node) if self._kept is not None else ():
                if uses.fits(use.grant):
                    uses.note(use.grant, use.allowed, use.at)
                else:
                    uses.unread_until = max(uses.unread_until, use.at + HOUR)
        return uses

    def _count(self, uses: _NodeUses, act: Act, at: Instant) -> bool:
        """Count the grants of an act from the log, the newest act first; tell whether there was room."""
        limited = [grant for grant in self._store.admission.authority.grants_of(act) if uses_per_hour(grant)]
        if all(uses.fits(grant.id) for grant in limited):
            for grant in limited:
                uses.note(grant.id, uses_per_hour(grant), at)
            return True
        uses.unread_until = max(uses.unread_until, at + HOUR)
        return False

    def _from_log(self, node: bytes, uses: _NodeUses) -> Iterator[tuple[Instant, Act]]:
        """Yield the clocks and acts that may have used grants in the last hour, chain by chain, each newest first."""
        since = self._store.now() - HOUR
        chains = [it for it in self._store.admission.chains.of_node(node) if it.kind in CITING and it.seq]
        budget = READ_MAX
        for chain in sorted(chains, key=lambda it: it.hlc, reverse=True):
            before, unread = chain.seq + 1, chain.hlc.us
            while unread >= since and before > 1:
                if budget <= 0:
                    uses.unread_until = max(uses.unread_until, unread + HOUR)
                    break
                rows = self._store.log.chain_backwards(chain.epoch, chain.stream, before, _PAGE)
                if not rows:
                    break
                yield from _accepted(rows, since)
                budget -= len(rows)
                before, unread = rows[-1].seq, rows[-1].hlc.us


def _accepted(rows: Sequence[Row], since: Instant) -> Iterator[tuple[Instant, Act]]:
    for row in rows:
        if row.hlc.us >= since and row.verdict is Verdict.ACCEPTED and not row.withheld:
            yield row.hlc.us, read_event(row.envelope).act


def uses_per_hour(grant: Grant) -> int:
    """Return how many acts in an hour a grant allows; 0: as many as there are. What is no such number allows one."""
    if "uses_per_hour" not in grant.delegation.meta:
        return 0
    uses = grant.delegation.meta["uses_per_hour"]
    return uses if isinstance(uses, int) and 0 < uses <= USES_PER_HOUR_MAX else 1
