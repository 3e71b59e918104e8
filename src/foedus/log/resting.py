"""What memory lets go of in a participant's stream: grants that ended, their revocations, sessions that ended.

Nothing new stands on them, and yet an act from before may still come that does. So they stay in the log, and are read
from there where one is cited. Nothing follows from where they are held: verdicts are the same, in every order of
arrival. What stays here says of each device where its events at rest stand, by which it shows without reading
whether all of them are still honoured; and which sessions and revocations there were.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from foedus.log.bodies import DeviceEnrol, DeviceRevoke, GrantRevoke
from foedus.log.control import ControlEvent
from foedus.log.documents import DocumentSession
from foedus.log.grants import Withdrawal, revoked_by

Read = Callable[[bytes], ControlEvent]
"""Reads an event at rest."""


class Place(NamedTuple):
    """Where an event at rest stands in its stream."""

    epoch: bytes
    seq: int
    id: bytes


class Resting:
    """The events at rest of one node in one participant's stream; every one of them is accepted.

    ``extents``: (epoch, device that signed) → first and last seq. ``sessions``: by key; ``withdrawals``: by CID.
    """

    __slots__ = ("_read", "extents", "sessions", "withdrawals")

    def __init__(self, read: Read) -> None:
        self._read = read
        self.extents: dict[tuple[bytes, bytes], tuple[int, int]] = {}
        self.sessions: dict[bytes, Place] = {}
        self.withdrawals: dict[bytes, Place] = {}

    def take(self, event: ControlEvent) -> None:
        """Note that an accepted event leaves memory."""
        body, place = event.body, Place(event.epoch, event.seq, event.id)
        key = (event.epoch, event.act.device or b"")
        first, last = self.extents.get(key, (event.seq, event.seq))
        self.extents[key] = (min(first, event.seq), max(last, event.seq))
        if isinstance(body, DocumentSession):
            self.sessions[body.key] = place
        elif isinstance(body, GrantRevoke):
            self.withdrawals[cid_of(event)] = place

    def twin(self, event: ControlEvent) -> Place | None:
        """Return which session or revocation at rest says the same as an event, whether before or after it."""
        if isinstance(event.body, DocumentSession):
            return self.sessions.get(event.body.key)
        return self.withdrawals.get(cid_of(event)) if isinstance(event.body, GrantRevoke) else None

    def holds(self, epoch: bytes) -> bool:
        """Whether events of an epoch rest."""
        return any(held == epoch for held, _ in self.extents)

    def spans(self) -> dict[bytes, tuple[int, int]]:
        """Return between which seqs of each epoch events rest."""
        found: dict[bytes, tuple[int, int]] = {}
        for (epoch, _), (first, last) in self.extents.items():
            low, high = found.get(epoch, (first, last))
            found[epoch] = (min(low, first), max(high, last))
        return found

    def withdrawal(self, cid: bytes) -> Withdrawal | None:
        """Return the revocation of a delegation that rests."""
        place = self.withdrawals.get(cid)
        body = None if place is None else self._read(place.id).body
        return withdrawal_of(place.id, body) if place is not None and isinstance(body, GrantRevoke) else None

    def session(self, key: bytes) -> ControlEvent | None:
        """Return the event that opened a session which rests."""
        place = self.sessions.get(key)
        return None if place is None else self._read(place.id)


def withdrawal_of(event_id: bytes, body: GrantRevoke) -> Withdrawal:
    """Return what an honoured ``grant.revoke`` takes back."""
    return Withdrawal({cut.chain: cut.seq for cut in body.cuts}, event_id)


def cid_of(event: ControlEvent) -> bytes:
    """Return which delegation an accepted ``grant.revoke`` takes back."""
    found = revoked_by(event)
    return found if isinstance(found, bytes) else b""


class Spoke:
    """From where to where in a participant's stream each of its devices spoke, as its events are folded in order."""

    def __init__(self, order: dict[bytes, int]) -> None:
        self._order = order
        self._from: dict[bytes, tuple[int, int]] = {}
        self._until: dict[bytes, tuple[int, int]] = {}

    def take(self, event: ControlEvent, resting: Resting) -> bool:
        """Note an accepted event; False where it forestalls one that rests."""
        body, place = event.body, self._place(event.epoch, event.seq)
        if isinstance(body, DeviceEnrol):
            self._from[body.device] = place
        elif isinstance(body, DeviceRevoke):
            self._until[body.device] = place
        twin = resting.twin(event)
        return twin is None or self._place(twin.epoch, twin.seq) < place

    def _place(self, epoch: bytes, seq: int) -> tuple[int, int]:
        return (self._order.get(epoch, len(self._order)), seq)

    def covers(self, device: bytes, epoch: bytes, first: int, last: int) -> bool:
        """Whether a device spoke from one place of an epoch to another."""
        start, end = self._from.get(device), self._until.get(device)
        is_started = start is not None and epoch in self._order and start < self._place(epoch, first)
        return is_started and (end is None or self._place(epoch, last) < end)
