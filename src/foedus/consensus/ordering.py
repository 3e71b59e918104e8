"""The normal case: the leader proposes, a quorum prepares and commits, and what is decided is made in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from foedus.consensus.ahead import Ahead
from foedus.consensus.certificates import BadVote
from foedus.consensus.effects import CheckAgain, Effect, Executed, Exposed, Keep, Send
from foedus.consensus.machine import StateMachine
from foedus.consensus.messages import Phase, Proposal, Vote, vote_bytes
from foedus.consensus.pending import Pending
from foedus.consensus.records import Accepted, Batches, Place
from foedus.consensus.updates import LIFE, NOTHING, Batch, Update
from foedus.consensus.window import Slot, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from foedus.consensus.ledger import Ledger
    from foedus.consensus.membership import Membership

M = TypeVar("M", bound=StateMachine)

LASTING_DOUBLINGS = 2
"""Of the patience, that outlast the first batch that is made: 2 s."""
CALM = 16
"""Batches after which one of them is taken back."""


class Settings(NamedTuple):
    """Times in microseconds."""

    patience: int = 500_000
    """How long an update may wait before a member leaves the view; doubled with each view that brings nothing."""
    resend: int = 100_000
    """How often a member says how far it is while something is open."""
    heartbeat: int = 2_000_000
    """How often it says so while nothing is."""
    pipeline: int = 8
    """Proposals of a leader under way at once: updates gather in batches while these are voted on."""


class Ordering(Generic[M]):
    """Member ``me`` of one epoch, in one view. ``replica.Replica`` adds checkpoints, views and time."""

    def __init__(
        self,
        membership: Membership,
        me: int,
        sign: Callable[[bytes], bytes],
        ledger: Ledger[M],
        settings: Settings,
    ) -> None:
        """``sign``: bytes with their label → this member's Ed25519 signature. ``ledger``: the state so far."""
        self.membership = membership
        self.me = me
        self.view = 0
        self.active = True
        """Whether the view is open: else this member has left all before it and waits for its leader."""
        self.ledger = ledger
        self.diverged = False
        """A quorum's state is not ours: nothing is voted until theirs is here."""
        self.pending = Pending()
        self.settings = settings
        self._sign = sign
        self._window = Window(membership, ledger.sequence)
        self._ahead = Ahead()
        self._exposed: set[int] = set()
        self._next = ledger.sequence + 1
        self._under_way: set[bytes] = set()
        self._attempts = self._calm = 0
        """Doublings of the patience, and batches made since there was one more or less."""
        self._effects: list[Effect] = []
        self._at_checkpoint: Callable[[], None] = lambda: None
        """Called when the batch at a checkpoint's place was made."""

    @property
    def leader(self) -> int:
        """The index of the member that leads the view."""
        return self.membership.leader(self.view)

    # --- what comes --------------------------------------------------------------------------------

    def _ask(self, update: Update) -> bool:
        """Take in an update, unless it is over; one that claims twice the life that it may have is not from now."""
        is_far = update.until > self.ledger.sequence + 2 * LIFE
        return not is_far and not self.ledger.is_over(update) and self.pending.add(update)

    def _ask_all(self, updates: Sequence[Update]) -> bool:
        """Take in all of these, or none."""
        new = [update for update in updates if update.id not in self.pending]
        if all(self._ask(update) for update in updates):
            return True
        self.pending.drop(new)
        return False

    def _ordered(self, message: Vote | Proposal) -> None:
        """Take in what belongs to a view: of a later one it waits, of an earlier one it is void."""
        if isinstance(message, Vote) and message.phase == "pre-prepare":
            raise BadVote("a pre-prepare comes with its batch")
        vote = message.vote if isinstance(message, Proposal) else message
        if vote.view > self.view or (vote.view == self.view and not self.active):
            self._ahead.add(message)
            return
        if vote.view < self.view or not self._window.holds(vote.sequence):
            return
        slot = self._window.slot(vote.sequence)
        self._count(slot, vote)
        if isinstance(message, Proposal):
            self._consider(slot, message)
        self._advance(slot)

    def _take_waiting(self) -> None:
        """Take in what came for this view before it was open."""
        for message in self._ahead.take():
            self._ordered(message)

    def _count(self, slot: Slot, vote: Vote) -> None:
        other = slot.count(vote)
        if other is not None:
            self._expose(other, vote)
        aside = slot.take_aside(vote)
        if aside is not None:
            self._effects.append(CheckAgain(aside.member, aside))

    def _expose(self, first: Vote, second: Vote) -> None:
        """Show what convicts a member, once."""
        if second.member not in self._exposed:
            self._exposed.add(second.member)
            self._effects.append(Exposed(first, second))

    # --- accepting and voting -----------------------------------------------------------------------

    def _consider(self, slot: Slot, proposal: Proposal) -> None:
        """Accept the first proposal for a place in this view; of the one accepted, learn the batch."""
        accepted, decided = slot.accepted, slot.committed
        if decided is not None and decided.digest != proposal.vote.digest:
            return
        if accepted is None or accepted.view < self.view:
            self._accept(slot, proposal.vote, proposal.batch)
        elif slot.wanted == proposal.vote.digest:
            self._learn(slot, proposal.batch)

    def _accept(self, slot: Slot, vote: Vote, batch: Batch | None) -> None:
        if self.diverged:
            return
        slot.accepted = Accepted(vote.view, vote.sequence, vote.digest, vote.signature)
        self._effects.append(Keep(Place("accepted", slot.sequence), slot.accepted))
        if slot.batch(vote.digest) is not None:
            self._prepare(slot)
        elif batch is not None:
            self._learn(slot, batch)

    def _learn(self, slot: Slot, batch: Batch) -> None:
        slot.keep(batch)
        self._effects.append(Keep(Place("batches", slot.sequence), Batches(tuple(slot.batches()))))
        self._prepare(slot)

    def _prepare(self, slot: Slot) -> None:
        """Vote for what is accepted in this view, its batch being here: what a quorum prepares can also be made.

        A liar may alone hold a batch of which it shows an old certificate; decided, it would stop the council for ever.
        """
        accepted = slot.accepted
        is_open = self.active and not self.diverged and self.me != self.leader
        if is_open and accepted is not None and accepted.view == self.view and slot.batch(accepted.digest) is not None:
            self._vote(slot, "prepare", accepted.digest)

    def _vote(self, slot: Slot, phase: Phase, digest: bytes) -> None:
        vote = self._signed_vote(phase, self.view, slot.sequence, digest)
        slot.count(vote)
        self._effects.append(Send(None, vote))

    def _signed_vote(self, phase: Phase, view: int, sequence: int, digest: bytes) -> Vote:
        data = vote_bytes(self.membership, phase, view, sequence, digest)
        return Vote(phase, view, sequence, digest, self.me, self._sign(data))

    def _advance(self, slot: Slot) -> None:
        """See whether a place is prepared or decided now."""
        prepared = self._window.prepared(slot, self.view)
        if prepared is not None and not self.diverged:
            slot.prepared = prepared
            self._effects.append(Keep(Place("prepared", slot.sequence), prepared))
            self._vote(slot, "commit", prepared.digest)
        committed = self._window.committed(slot, self.view)
        if committed is not None:
            slot.committed = committed
            self._effects.append(Keep(Place("committed", slot.sequence), committed))
            self._execute()

    # --- making ------------------------------------------------------------------------------------

    def _execute(self) -> None:
        """Make what is decided, in order, as far as it is known."""
        while (slot := self._window.get(self.ledger.sequence + 1)) is not None and slot.committed is not None:
            batch = slot.batch(slot.committed.digest)
            if batch is None or self.diverged:
                return
            results = self.ledger.make(batch)
            self.pending.drop(batch.updates)
            self.pending.expire(self.ledger.sequence)
            self._under_way.difference_update(update.id for update in batch.updates)
            self._calm_down()
            self._window.border = self.ledger.border
            self._effects.append(Executed(slot.sequence, batch, results, slot.committed))
            if slot.sequence % self.membership.interval == 0:
                self._at_checkpoint()

    def _calm_down(self) -> None:
        """Something was made: be as patient as before no longer. But machines that are slow now stay so for a while."""
        self._calm += 1
        self._attempts = min(self._attempts, LASTING_DOUBLINGS)
        if self._calm >= CALM:
            self._calm = 0
            self._attempts = max(0, self._attempts - 1)

    # --- leading -----------------------------------------------------------------------------------

    def _propose(self) -> None:
        """As the leader: put what waits at the next places, as many as may be under way; fill those to a border."""
        if not self.active or self.leader != self.me or self.diverged:
            return
        self._next = max(self._next, self.ledger.sequence + 1, self._window.low + 1)
        is_ending = self._window.border is not None
        while self._next <= self._window.high:
            if not is_ending and self._next - self.ledger.sequence > self.settings.pipeline:
                return
            batch = self.pending.batch(self._under_way)
            if batch is None and not is_ending:
                return
            self._put(NOTHING if batch is None else batch)

    def _put(self, batch: Batch) -> None:
        """Propose a batch at the next place."""
        self._under_way.update(update.id for update in batch.updates)
        vote = self._signed_vote("pre-prepare", self.view, self._next, batch.digest)
        slot = self._window.slot(self._next)
        self._next += 1
        self._count(slot, vote)
        self._accept(slot, vote, batch)
        self._effects.append(Send(None, Proposal(vote, batch)))
