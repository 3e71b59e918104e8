"""What admission answers: an outcome for each event, with the commit that makes it durable."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from foedus.log.chains import Position
from foedus.log.event import Parsed, event_signing_bytes
from foedus.log.port import Commit, Entry, Proof

SignatureCheck: TypeAlias = tuple[bytes, bytes, bytes]
"""(public key, message, signature)"""


class Admitted(NamedTuple):
    """The event is the new head of its chain.

    ``entry`` has the verdict as of now; the log may still find a replayed nonce (``Committed.replayed``). ``more`` is
    the commit where it holds anything beside the entry, which it seldom does.
    """

    entry: Entry
    more: Commit | None = None

    @property
    def commit(self) -> Commit:
        """What makes it durable."""
        return Commit((self.entry,)) if self.more is None else self.more

    @property
    def position(self) -> Position:
        """Where it stands."""
        return Position(self.entry.epoch, self.entry.stream, self.entry.seq, self.entry.id)


class Duplicate(NamedTuple):
    """The event is held; ``commit`` is not empty where it brought a missing body."""

    commit: Commit


class Refused(NamedTuple):
    """Nothing is kept."""

    code: str


class Deferred(NamedTuple):
    """Not stored: something is missing. ``want`` are ids of events, ``epoch`` an identity record, to ask for.

    With the code OVER_QUOTA it is room that is missing: this node holds as much of the event's node as it will. The
    next attempt will fare no better unless records or memberships come, so it is not to be asked for at once.
    """

    code: str
    want: tuple[bytes, ...] = ()
    epoch: bytes | None = None


class Forked(NamedTuple):
    """The event and a held one prove that their node equivocated. ``commit`` keeps the proof."""

    proof: Proof
    commit: Commit


class Aside(NamedTuple):
    """The chain takes no more of this branch; the event is kept by its id, since a held one cites it."""

    commit: Commit


Outcome: TypeAlias = Admitted | Duplicate | Refused | Deferred | Forked | Aside
OVER_QUOTA = "over_quota"


def signature_checks(parsed: Parsed, node_key: bytes) -> list[SignatureCheck]:
    """Return the checks of an event's one or two Ed25519 signatures."""
    envelope, event, _, act_bytes = parsed
    checks = [(node_key, event_signing_bytes(envelope.event), envelope.sig)]
    if act_bytes is not None and event.act.device is not None and event.asig is not None:
        checks.append((event.act.device, act_bytes, event.asig))
    return checks


def join(commits: Iterable[Commit]) -> Commit:
    """Put commits into one, in this order. Only one may truncate a chain, and none before it may append there."""
    parts = list(commits)
    if len(parts) == 1:
        return parts[0]
    return Commit(
        entries=[value for part in parts for value in part.entries],
        truncations=[value for part in parts for value in part.truncations],
        bodies=[value for part in parts for value in part.bodies],
        verdicts=[value for part in parts for value in part.verdicts],
        proofs=[value for part in parts for value in part.proofs],
        records=[value for part in parts for value in part.records],
        values=[value for part in parts for value in part.values],
        drops=[value for part in parts for value in part.drops],
        gaps=[value for part in parts for value in part.gaps],
        asides=[value for part in parts for value in part.asides],
    )
