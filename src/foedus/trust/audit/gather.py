"""From decisions to rows, at a bounded rate: nobody fills the disk by being refused.

Each actor may cause some rows of its own; beyond, equal decisions of one second become one row with their count, and
where even these are too many, one row for the actor, at last one for all. What is decided is never lost without a
count.
"""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from msgspec import Struct

from foedus.base.clock import Instant
from foedus.base.limits import SECOND
from foedus.trust.audit.rows import Act, Decision, Draft, cut

ACTOR_BURST = 60
ACTOR_PER_S = 1
"""Rows of its own that an actor may cause: a person's work, and what a well-meaning peer gets wrong, is seen singly."""
TOTAL_BURST = 1_000
TOTAL_PER_S = 20
"""The same for all actors together: a thousand strangers cause no more than twenty busy peers."""
ACTOR_KEYS_MAX = 8
"""Aggregated rows of one actor in a second: beyond, they lose subject and rule. A busy peer has a few streams."""
KEYS_MAX = 64
"""Aggregated rows of all actors in a second: beyond, they lose the actor. With TOTAL_PER_S this bounds the disk:
84 rows of some 300 bytes a second at the worst."""
ACTORS_MAX = 1_024
"""Actors whose bursts are remembered; beyond, all begin anew within TOTAL_BURST."""
ANY = "*"
"""What stands in an aggregated row for what it no longer tells apart."""


class Key(NamedTuple):
    """What decisions have in common that become one row."""

    actor: str
    act: Act
    subject: str
    rule: str
    outcome: str


class _Sum(Struct):
    """Decisions that become one row."""

    at: Instant
    until: Instant
    times: int
    first: int
    last: int
    hash: object
    id: bytes | None

    def draft(self, key: Key, *, aggregated: bool) -> Draft:
        digest = self.id if self.id is not None else (self.hash.digest() if self.hash else None)  # type: ignore[attr-defined]  # hashlib has no public type
        return Draft(self.at, self.until, *key, self.times, self.first, self.last, digest, aggregated)


class _Bucket(Struct):
    """Tokens in microseconds: ``left`` of ``burst`` seconds' worth, as of ``at``."""

    left: int
    at: Instant

    def take(self, now: Instant, per_s: int, burst: int) -> bool:
        self.left = min(burst * SECOND, self.left + max(0, now - self.at) * per_s)
        self.at = now
        if self.left < SECOND:
            return False
        self.left -= SECOND
        return True


class Gatherer:
    """Takes decisions, gives rows. ``queue_max``: rows that may wait for the disk; beyond, they are aggregated."""

    def __init__(self, queue_max: int = 2 * TOTAL_BURST) -> None:
        self._queue_max = queue_max
        self._singles: list[Draft] = []
        self._sums: dict[Key, _Sum] = {}
        self._quiet: dict[Key, _Sum] = {}
        self._per_actor: dict[str, int] = {}
        self._actors: dict[str, _Bucket] = {}
        self._total = _Bucket(TOTAL_BURST * SECOND, 0)

    @property
    def is_due(self) -> bool:
        """Whether a decision waits that does not come of the audit log itself."""
        return bool(self._singles or self._sums)

    def add(self, decision: Decision, now: Instant) -> None:
        """Take one decision, or ``times`` equal ones. Costs the same however many wait."""
        actor, act, subject, rule, outcome = decision[:5]
        key = Key(cut(actor), act, cut(subject), cut(rule), cut(outcome))
        if decision.quiet:
            self._merge(self._quiet, self._bounded(self._quiet, key), decision, now)
        elif self._may_stand_alone(decision.actor, now):
            self._singles.append(_sum_of(decision, now).draft(key, aggregated=False))
        else:
            self._merge(self._sums, self._bounded(self._sums, key), decision, now)

    def take(self) -> list[Draft]:
        """Return all that waits, in the order of its first decision, and forget it."""
        drafts = [*self._singles]
        for sums in (self._sums, self._quiet):
            drafts += [each.draft(key, aggregated=True) for key, each in sums.items()]
            sums.clear()
        self._singles.clear()
        self._per_actor.clear()
        return sorted(drafts, key=lambda draft: draft.at)

    def _may_stand_alone(self, actor: str, now: Instant) -> bool:
        if len(self._singles) >= self._queue_max:
            return False
        bucket = self._actors.get(actor)
        if bucket is None:
            if len(self._actors) >= ACTORS_MAX:
                self._actors.clear()
            bucket = self._actors[actor] = _Bucket(ACTOR_BURST * SECOND, now)
        return bucket.take(now, ACTOR_PER_S, ACTOR_BURST) and self._total.take(now, TOTAL_PER_S, TOTAL_BURST)

    def _bounded(self, sums: dict[Key, _Sum], key: Key) -> Key:
        """Return under which key a decision is counted: its own, or a wider one where there are too many."""
        if key in sums:
            return key
        held = self._per_actor.get(key.actor, 0)
        if held >= ACTOR_KEYS_MAX:
            key = Key(key.actor, key.act, ANY, ANY, key.outcome)
        if key not in sums and len(sums) >= KEYS_MAX:
            return Key(ANY, key.act, ANY, ANY, key.outcome if key.outcome in {"accepted", "refused"} else ANY)
        self._per_actor[key.actor] = held + 1
        return key

    def _merge(self, sums: dict[Key, _Sum], key: Key, decision: Decision, now: Instant) -> None:
        held = sums.get(key)
        if held is None:
            sums[key] = _sum_of(decision, now)
            return
        held.until = max(held.until, now)
        held.times += decision.times
        held.first, held.last = _span(held, decision)
        if decision.ids:
            if held.hash is None:
                held.hash = sha256(held.id or b"")
            held.id = None
            held.hash.update(b"".join(decision.ids))  # type: ignore[attr-defined]  # hashlib has no public type


def _sum_of(decision: Decision, now: Instant) -> _Sum:
    ids = decision.ids
    alone = ids[0] if len(ids) == 1 else None
    hashed = sha256(b"".join(ids)) if len(ids) > 1 else None
    return _Sum(now, now, decision.times, decision.first, decision.last, hashed, alone)


def _span(held: _Sum, decision: Decision) -> tuple[int, int]:
    firsts = [seq for seq in (held.first, decision.first) if seq]
    return min(firsts, default=0), max(held.last, decision.last)
