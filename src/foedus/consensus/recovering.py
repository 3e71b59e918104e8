"""Checkpoints and what a member missed: decisions, batches, and the state itself, each proved by a quorum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foedus.base.cbor import Malformed, NotCanonical
from foedus.consensus.checkpoints import Checkpoints
from foedus.consensus.effects import Checkpointed, Diverged, Keep, Renewed, Send
from foedus.consensus.messages import (
    Decided,
    HaveBatch,
    HaveState,
    Stable,
    Status,
    Vote,
    WantBatch,
    WantState,
)
from foedus.consensus.ordering import M, Ordering, Settings
from foedus.consensus.records import SLOT_KINDS, SNAPSHOT, Place, Snapshot
from foedus.consensus.transfer import Fetch, part_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from foedus.consensus.ledger import Ledger, Parts
    from foedus.consensus.membership import Membership

HELP_DECISIONS = 8
"""Decisions sent in answer to one status: the next status asks for more."""


class Recovering(Ordering[M]):
    """A member that makes checkpoints, gives to others what they miss, and takes what it missed itself."""

    def __init__(
        self,
        membership: Membership,
        me: int,
        sign: Callable[[bytes], bytes],
        ledger: Ledger[M],
        settings: Settings,
    ) -> None:
        super().__init__(membership, me, sign, ledger, settings)
        self.stable: Stable | None = None
        self._lowest: Stable | None = None
        """What proves the low watermark; None at the start of the epoch."""
        self._checkpoints = Checkpoints(membership)
        self._snapshot: Snapshot | None = None
        self._fetch: Fetch | None = None
        self._at_checkpoint = self._make_checkpoint

    # --- checkpoints -------------------------------------------------------------------------------

    def _make_checkpoint(self) -> None:
        parts = self.ledger.parts()
        root = parts.root()
        self._checkpoints.made(root, parts, self.ledger.snapshot())
        self._say_checkpoint(parts.sequence, root, None)

    def _say_checkpoint(self, sequence: int, root: bytes, to: int | None) -> None:
        vote = self._signed_vote("checkpoint", 0, sequence, root)
        self._effects.append(Send(to, vote))
        self._count_checkpoint(vote)

    def _count_checkpoint(self, vote: Vote) -> None:
        other, certificate = self._checkpoints.count(vote, self._window.low)
        if other is not None:
            self._expose(other, vote)
        if certificate is not None:
            self._take_stable(certificate, None)

    def _take_stable(self, certificate: Stable, source: int | None) -> None:
        """Take a quorum's word for a checkpoint. ``source``: who has the state, and no longer all decisions to it."""
        if self.stable is not None and certificate.sequence <= self.stable.sequence:
            return
        if self.ledger.sequence < certificate.sequence:
            if source is not None:
                self._begin_fetch(certificate, source)
            return
        made = self._checkpoints.state_at(certificate.sequence)
        if made is None:
            return
        if made.root == certificate.root:
            self._settle(certificate, made.state, made.parts)
            return
        self.diverged = True
        self._effects.append(Diverged(certificate.sequence, made.root, certificate.root))
        self._begin_fetch(certificate, certificate.votes[0].member)

    def _settle(self, certificate: Stable, state: bytes, parts: Parts) -> None:
        """Make a checkpoint stable: what lies before it is history."""
        self.stable = certificate
        if certificate.sequence >= self._window.low:
            self._lowest = certificate
        self._snapshot = Snapshot(certificate, state)
        self._effects.append(Keep(SNAPSHOT, self._snapshot))
        self._raise_low(certificate.sequence)
        self._checkpoints.forget(certificate.sequence)
        self._effects.append(Checkpointed(certificate, parts))
        if self._fetch is not None and self._fetch.certificate.sequence <= certificate.sequence:
            self._fetch = None
        renewal = self.ledger.machine.renewal
        if certificate.sequence == self.ledger.border and renewal is not None:
            self._effects.append(Renewed(renewal, certificate))

    def _raise_low(self, low: int) -> None:
        """Raise the watermark; one interval of decisions is kept for those who are a little behind."""
        for sequence in self._window.advance(low, min(low, self.ledger.sequence) - self.membership.interval):
            self._effects += [Keep(Place(kind, sequence), None) for kind in SLOT_KINDS]

    # --- decisions and batches that were missed ------------------------------------------------------

    def _take_decision(self, message: Decided) -> None:
        """Take a decision that its certificate proves, whatever view it comes from."""
        sequence = message.certificate.sequence
        if not self.ledger.sequence < sequence <= self.ledger.sequence + self.membership.window:
            return
        slot = self._window.slot(sequence)
        if slot.committed is None:
            slot.committed = message.certificate
            self._effects.append(Keep(Place("committed", sequence), message.certificate))
        if slot.wanted == message.batch.digest:
            self._learn(slot, message.batch)
        self._execute()

    def _about_batch(self, sender: int, message: WantBatch | HaveBatch) -> None:
        slot = self._window.get(message.sequence)
        if slot is None:
            return
        if isinstance(message, HaveBatch):
            if slot.wanted == message.batch.digest:
                self._learn(slot, message.batch)
                self._advance(slot)
                self._execute()
        elif (batch := slot.batch(message.digest)) is not None:
            self._effects.append(Send(sender, HaveBatch(message.sequence, batch)))

    def _want_batches(self) -> None:
        """Ask for the batches of what is to be made next and is known by its digest alone."""
        for slot in self._window.after(self.ledger.sequence):
            if (digest := slot.wanted) is not None:
                self._effects.append(Send(None, WantBatch(slot.sequence, digest)))

    def _help_on(self, sender: int, status: Status) -> None:
        """Send what a member has not made: decisions, else the checkpoint beyond them; and our word for checkpoints.

        One that made all of it may yet not know that its checkpoint is stable, and stop at its high watermark.
        """
        decisions = self._decisions_after(status.executed)
        self._effects += [Send(sender, decision) for decision in decisions]
        if not decisions and self.stable is not None and self.stable.sequence > status.stable:
            self._effects.append(Send(sender, self.stable))
        for sequence, root in list(self._checkpoints.roots()):
            if status.stable < sequence:
                self._say_checkpoint(sequence, root, sender)

    def _decisions_after(self, sequence: int) -> list[Decided]:
        found: list[Decided] = []
        last = min(self.ledger.sequence, sequence + HELP_DECISIONS)
        for place in range(sequence + 1, last + 1):
            slot = self._window.get(place)
            batch = slot.batch(slot.committed.digest) if slot is not None and slot.committed is not None else None
            if slot is None or slot.committed is None or batch is None:
                break
            found.append(Decided(slot.committed, batch))
        return found

    # --- the state ---------------------------------------------------------------------------------

    def _begin_fetch(self, certificate: Stable, source: int) -> None:
        held = self._fetch
        if held is None or held.certificate.sequence < certificate.sequence:
            if held is not None:  # another has its turn: a liar may be the first to tell of every checkpoint
                source = (held.source + 1) % self.membership.size
            self._fetch = Fetch(certificate, self._other_than_me(source))
            self._effects.append(Send(self._fetch.source, self._fetch.wanted()))

    def _fetch_again(self) -> None:
        """Nothing came for a while, or nothing true: begin at another member."""
        if self._fetch is not None:
            self._fetch.begin_at(self._other_than_me((self._fetch.source + 1) % self.membership.size))
            self._effects.append(Send(self._fetch.source, self._fetch.wanted()))

    def _other_than_me(self, member: int) -> int:
        return member if member != self.me else (member + 1) % self.membership.size

    def _about_state(self, sender: int, message: WantState | HaveState) -> None:
        if isinstance(message, WantState):
            self._give_state(sender, message)
            return
        fetch = self._fetch
        if fetch is None or fetch.source != sender:
            return
        state = fetch.take(sender, message)
        if state is None:
            self._effects.append(Send(sender, fetch.wanted()))
        elif not self._adopt_state(fetch.certificate, state):
            self._fetch_again()

    def _give_state(self, sender: int, message: WantState) -> None:
        if self._snapshot is None:
            return
        if self._snapshot.certificate.sequence != message.sequence:
            self._effects.append(Send(sender, self._snapshot.certificate))
        elif (part := part_of(self._snapshot, message.part)) is not None:
            self._effects.append(Send(sender, part))

    def _adopt_state(self, certificate: Stable, state: bytes) -> bool:
        """Go on from a fetched state, if it is the one that a quorum signed."""
        try:
            fresh = self.ledger.restored(state)
        except (Malformed, NotCanonical):
            return False
        parts = fresh.parts()
        if fresh.sequence != certificate.sequence or parts.root() != certificate.root:
            return False
        if self.diverged or self.ledger.sequence < certificate.sequence:
            self.ledger = fresh
            self.diverged = False
            self._window.border = fresh.border
            self.pending.drop([update for update in self.pending if fresh.is_over(update)])
        self._settle(certificate, state, parts)
        self._execute()
        return True
