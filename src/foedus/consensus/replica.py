"""One member of a council: Practical Byzantine Fault Tolerance as a state machine without I/O.

Castro and Liskov, "Practical Byzantine Fault Tolerance" (OSDI 1999); with signatures, for any n ≥ 3f + 1.

    update ► leader: proposal ► all: prepare ► a quorum: prepared ► all: commit ► a quorum: decided ► made, in order
             nothing happens in time ► all: view-change ► a quorum, new leader: new-view ► goes on

Whoever drives a replica checks the signatures (``certificates.checks``) before ``handle``, and runs the effects: what
is to be kept is durable before anything is sent. ``handle`` raises BadVote, and changes nothing, where a message proves
nothing. What is lost on the way is said again when a member's ``Status`` shows that it misses it.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from foedus.consensus.changing import Changes, Reproposed, Start, check_new_view, check_places, reproposed
from foedus.consensus.effects import Effect, Exposed, Keep, Send
from foedus.consensus.messages import (
    Ask,
    Committed,
    Decided,
    HaveBatch,
    HaveState,
    Message,
    NewView,
    Prepared,
    Proposal,
    Stable,
    Status,
    ViewChange,
    Vote,
    WantBatch,
    WantState,
    change_bytes,
    new_view_bytes,
)
from foedus.consensus.ordering import LASTING_DOUBLINGS, M, Settings
from foedus.consensus.pace import Pace
from foedus.consensus.records import SNAPSHOT, VIEW, Accepted, Batches, InView, Place, Snapshot
from foedus.consensus.recovering import Recovering
from foedus.consensus.updates import BATCH_UPDATES_MAX, NOTHING, Batch, Update, batches

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from foedus.base.clock import Instant
    from foedus.consensus.ledger import Ledger
    from foedus.consensus.membership import Membership
    from foedus.consensus.records import Record
    from foedus.consensus.window import Slot

DOUBLINGS_MAX = 10
"""A view is given at most 1,024 times the first patience: minutes, so that a council always comes back."""
SHOWN_AGAIN = 16
"""Places at which votes are said again."""
ASKED_AGAIN = BATCH_UPDATES_MAX
"""Oldest updates that are shown again: one batch."""
RESEND_SLOWER = 4
"""How much later members that are slow say how far they are, at most."""
AWAY_SOONER = 2
"""How much sooner members leave a leader that they cannot reach, where nothing went wrong of late."""
TOLD_AFTER = 4
"""After this part of their patience members tell all others what waits: who hears of it waits as well, from then."""


class Replica(Recovering[M]):
    """Member ``me`` of one epoch."""

    def __init__(
        self,
        membership: Membership,
        me: int,
        sign: Callable[[bytes], bytes],
        ledger: Ledger[M],
        *,
        settings: Settings | None = None,
        records: Mapping[Place, Record] | None = None,
    ) -> None:
        """``ledger``: the state at the start of the epoch. ``records``: what was kept before a restart.

        What is made again from the records gives no effects; ``ledger.sequence`` says how far that went.
        """
        super().__init__(membership, me, sign, ledger, settings or Settings())
        self._start = Start(ledger.sequence, membership.window)
        self._changes = Changes(membership)
        self._change: ViewChange | None = None
        self._opened_by: NewView | None = None
        self._waited: bytes | int | None = None
        self._pace = Pace()
        self.away: Collection[int] = ()
        """Members that cannot be reached now, as far as who drives this knows: a leader among them has less time."""
        self._patience_at: Instant | None = None
        self._tell_at: Instant | None = None
        """When all are told of what waits here longest: its leader had its time."""
        self._status_at: Instant = 0
        self._seen = ledger.sequence
        """How far this member was when it last looked."""
        self._fetched_at = -1
        if records:
            self._restore(records)

    # --- what drives it ----------------------------------------------------------------------------

    def handle(self, sender: int, message: Message, now: Instant) -> list[Effect]:
        """Take in a message of a member, whose signatures hold. Raises BadVote; then nothing has changed."""
        self._receive(sender, message)
        return self._end_call(now)

    def concerns(self, sender: int, message: Message) -> bool:  # noqa: PLR0911  # the table of messages
        """Tell whether a message may change anything here. What may not need be neither checked nor handled.

        Much is said often, and more votes come than a quorum has. ``CheckAgain`` brings back what matters after all.
        """
        match message:
            case Vote(phase="checkpoint"):
                return message.sequence > self._window.low
            case Vote():
                return self._concerns_vote(sender, message)
            case Proposal(vote=vote):
                return vote.view >= self.view and (vote.view > self.view or self._window.holds(vote.sequence))
            case Decided(certificate=certificate):
                return certificate.sequence > self.ledger.sequence
            case Stable():
                return self.stable is None or message.sequence > self.stable.sequence
            case ViewChange():
                return not self._changes.holds(message)
            case NewView(view=view):
                held = self._opened_by
                is_held = held is not None and (held.view, held.signature) == (view, message.signature)
                return view >= self.view and not is_held
            case _:
                return True

    def _concerns_vote(self, sender: int, vote: Vote) -> bool:
        if vote.phase == "pre-prepare" or vote.view > self.view or (vote.view == self.view and not self.active):
            return True
        if vote.view < self.view or not self._window.holds(vote.sequence):
            return False
        slot = self._window.get(vote.sequence)
        if slot is None or not slot.is_superfluous(vote):
            return True
        if vote.member == sender:
            slot.put_aside(vote)
        return False

    def submit(self, update: Update, now: Instant) -> list[Effect] | None:
        """Ask for an update whose signature holds. None: it is over, or too much waits here."""
        return self.submit_all([update], now)

    def submit_all(self, updates: Sequence[Update], now: Instant) -> list[Effect] | None:
        """Ask for updates whose signatures hold. None: one is over, or too much waits here, and none was taken.

        The leader hears of them; all members do where it does not bring them soon, and then see to it as well.
        """
        if not self._ask_all(updates):
            return None
        self._tell(batches(updates))
        return self._end_call(now)

    def withdraw(self, updates: Iterable[Update]) -> None:
        """Wait no longer for updates whose authors may not ask for them any more; they may be made all the same."""
        self.pending.drop(updates)

    def next_deadline(self) -> Instant:
        """Return when ``on_deadline`` is due."""
        return min(at for at in (self._status_at, self._patience_at, self._tell_at) if at is not None)

    def on_deadline(self, now: Instant) -> list[Effect]:
        """Do what is due: leave a view that brings nothing, say how far this member is."""
        if self._patience_at is not None and self._patience_at <= now:
            self._leave(self.view + 1)
        if self._tell_at is not None and self._tell_at <= now:
            self._tell_at = None
            self._effects += [Send(None, Ask(batch)) for batch in self._oldest()]
        if self._status_at <= now:
            self._say_status()
            self._status_at = now + (self._resend() if self._is_open() else self.settings.heartbeat)
        return self._end_call(now)

    def _end_call(self, now: Instant) -> list[Effect]:
        self._propose()
        self._watch(now)
        effects, self._effects = self._effects, []
        return effects

    def _receive(self, sender: int, message: Message) -> None:  # noqa: C901  # the table of messages
        match message:
            case Ask(batch=batch):
                for update in batch.updates:
                    self._ask(update)
            case Vote(phase="checkpoint"):
                self._count_checkpoint(message)
            case Vote() | Proposal():
                self._ordered(message)
            case Decided():
                self._take_decision(message)
            case Stable():
                self._take_stable(message, sender)
            case ViewChange():
                self._take_change(message)
            case NewView():
                self._take_new_view(message)
            case Status():
                self._help(sender, message)
            case WantBatch() | HaveBatch():
                self._about_batch(sender, message)
            case WantState() | HaveState():
                self._about_state(sender, message)

    # --- time --------------------------------------------------------------------------------------

    def _watch(self, now: Instant) -> None:
        """Set the deadlines by what waits. A view's patience runs for what has waited longest, not for any progress."""
        waiting = self._waiting()
        if self.active and waiting is None:
            self._wait_for_nothing()
        elif self.active and waiting != self._waited:
            self._pace.next(now, is_new=self._waited is None)
            self._patience_at, self._waited = now + self._patience(), waiting
            self._tell_at = now + self._patience() // TOLD_AFTER if self.me != self.leader else None
        elif not self.active and self._patience_at is None and self._could_open():
            self._patience_at = now + self._patience()
        is_open = self._is_open()
        if self.ledger.sequence > self._seen:  # who goes on misses nothing
            self._seen = self.ledger.sequence
            self._status_at = now + (self._resend() if is_open else self.settings.heartbeat)
        elif is_open:
            self._status_at = min(self._status_at, now + self._resend())

    def _wait_for_nothing(self) -> None:
        self._patience_at = self._waited = self._tell_at = None

    def _could_open(self) -> bool:
        """Whether so many have left for the view that its leader can open it: only then its time runs."""
        return self._changes.reached(self.view) >= self.membership.quorum

    def _patience(self) -> int:
        first = self.settings.patience
        if self.active and self.leader in self.away and not self._attempts:
            return first // AWAY_SOONER
        return max(first << min(self._attempts, DOUBLINGS_MAX), min(self._pace.patience, first << LASTING_DOUBLINGS))

    def _resend(self) -> int:
        """Return how soon to say how far this member is: where all are slow nothing is missed yet."""
        return min(max(self.settings.resend, self._pace.slowest), self.settings.resend * RESEND_SLOWER)

    def _waiting(self) -> bytes | int | None:
        """Return what waits longest: an update, or else a place that is accepted and not made."""
        oldest = self.pending.oldest()
        if oldest is not None:
            return oldest
        places = (it.sequence for it in self._window.after(self.ledger.sequence) if it.accepted)
        return next(places, self._window.border if self._window.low != self._window.border else None)

    def _is_open(self) -> bool:
        """Whether something is under way that others may have to help with."""
        return not self.active or self._fetch is not None or self._waiting() is not None

    def _say_how_far(self) -> None:
        stable = self.stable.sequence if self.stable is not None else self._start.sequence
        self._effects.append(Send(None, Status(self.view, self.active, self.ledger.sequence, stable)))

    def _say_status(self) -> None:
        self._say_how_far()
        self._want_batches()
        if self._fetch is not None and self._fetched_at == self._fetch.progress:
            self._fetch_again()
        self._fetched_at = self._fetch.progress if self._fetch is not None else -1
        self._tell(self._oldest())

    def _tell(self, updates: Iterable[Batch]) -> None:
        """Show what waits here: to the leader, which may have missed it; without one, to all who may still have one."""
        if not self.active or self.me != self.leader:
            to = self.leader if self.active and self.leader not in self.away else None
            self._effects += [Send(to, Ask(batch)) for batch in updates]

    def _oldest(self) -> Iterator[Batch]:
        return batches(islice(self.pending, ASKED_AGAIN))

    def _help(self, sender: int, status: Status) -> None:
        """Send what a member's status shows that it misses."""
        if status.view < self.view or (status.view == self.view and not status.active):
            opening = self._opened_by if self.active else self._change
            if opening is not None:
                self._effects.append(Send(sender, opening))
        elif status.view == self.view and self.active:
            self._say_again(sender, status.executed)
        self._help_on(sender, status)

    def _say_again(self, sender: int, executed: int) -> None:
        """Say to a member what was said in this view of the places that it has not made."""
        for slot in islice(self._window.after(executed), SHOWN_AGAIN):
            accepted = slot.accepted
            if accepted is not None and accepted.view == self.view:
                self._effects += [Send(sender, message) for message in self._words_on(slot, accepted)]

    def _words_on(self, slot: Slot, accepted: Accepted) -> list[Message]:
        """Return what this member said of a place in this view."""
        said: list[Message] = []
        batch = slot.batch(accepted.digest)
        if batch is None:
            pass  # not voted for: see ``_prepare``
        elif self.me != self.leader:
            said.append(self._signed_vote("prepare", self.view, slot.sequence, accepted.digest))
        else:
            vote = Vote("pre-prepare", self.view, slot.sequence, accepted.digest, self.me, accepted.proposal)
            said.append(Proposal(vote, batch))
        if slot.prepared is not None and slot.prepared.view == self.view:
            said.append(self._signed_vote("commit", self.view, slot.sequence, slot.prepared.digest))
        return said

    # --- views -------------------------------------------------------------------------------------

    def _leave(self, view: int) -> None:
        """Leave all views below ``view``: say what was prepared here, and vote in none of them again."""
        self._attempts, self._calm = self._attempts + 1, 0
        self.view, self.active = view, False
        self._wait_for_nothing()
        for slot in self._window.slots():
            slot.clear_votes()
        above = [slot.prepared for slot in self._window.slots() if slot.sequence > self._window.low]
        unsigned = ViewChange(view, self._lowest, tuple(it for it in above if it), self.me, bytes(64))
        signature = self._sign(change_bytes(self.membership, unsigned))
        self._change = ViewChange(view, unsigned.stable, unsigned.prepared, self.me, signature)
        self._effects.append(Keep(VIEW, InView(view, False, self._change, None)))  # noqa: FBT003  # a record's field
        self._effects.append(Send(None, self._change))
        self._changes.add(self._change)
        self._open_if_leader()

    def _take_change(self, change: ViewChange) -> None:
        check_places(change, self._start)
        if change.view < self.view or (change.view == self.view and self.active):
            if self.active and self._opened_by is not None and self._changes.add(change):
                self._effects.append(Send(change.member, self._opened_by))
            return
        if not self._changes.add(change):
            return
        beyond = self._changes.joined(self.view)
        if beyond is not None:
            self._leave(beyond)
        else:
            self._open_if_leader()

    def _open_if_leader(self) -> None:
        """As the leader of the view that all are leaving for: open it, once a quorum is there."""
        changes = self._changes.of_view(self.view)
        if self.active or self.leader != self.me or len(changes) < self.membership.quorum or self.diverged:
            return
        wanted = reproposed(changes, self._start)
        votes = tuple(self._signed_vote("pre-prepare", self.view, place, digest) for place, digest in wanted.digests)
        signature = self._sign(new_view_bytes(self.membership, self.view, changes, votes))
        message = NewView(self.view, changes, votes, signature)
        self._effects.append(Send(None, message))
        self._open(message, wanted)

    def _take_new_view(self, message: NewView) -> None:
        if message.view < self.view or (message.view == self.view and self.active):
            self._compare(message)
            return
        self._open(message, check_new_view(message, self._start))

    def _compare(self, message: NewView) -> None:
        """Expose a leader that opens its view in two ways."""
        held = self._opened_by
        leader = self.membership.leader(message.view)
        if held is None or held.view != message.view or leader in self._exposed:
            return
        one, other = (new_view_bytes(self.membership, it.view, it.changes, it.proposals) for it in (held, message))
        if one != other:
            self._exposed.add(leader)
            self._effects.append(Exposed(held, message))

    def _open(self, message: NewView, wanted: Reproposed) -> None:
        """Enter a view: accept all that it must propose again, and go on from there."""
        self.view, self.active = message.view, True
        self._opened_by, self._change = message, None
        self._wait_for_nothing()
        self._under_way.clear()
        self._effects.append(Keep(VIEW, InView(message.view, True, None, message)))  # noqa: FBT003  # a record's field
        for slot in self._window.slots():
            slot.clear_votes()
        if wanted.stable is not None and wanted.stable.sequence > self._window.low:
            self._begin_above(wanted.stable)
        self._next = max(self._window.low, self.ledger.sequence, *(vote.sequence for vote in message.proposals), 0) + 1
        for vote in message.proposals:
            if self._window.holds(vote.sequence):
                slot = self._window.slot(vote.sequence)
                self._count(slot, vote)
                if not self._is_long_made(slot):
                    self._accept(slot, vote, NOTHING if vote.digest == NOTHING.digest else None)
                    self._advance(slot)
        if any(vote.sequence > self.ledger.sequence for vote in message.proposals):
            self._say_how_far()
        self._want_batches()
        self._tell(self._oldest())
        self._take_waiting()

    def _is_long_made(self, slot: Slot) -> bool:
        """Whether a place was made here so long ago that others were told: whoever is behind gets the decision.

        No vote for it is given in this view, or a change of views costs the votes of a whole window. It is safe, since
        no other batch can be prepared there; and live, since one honest member that made it proves that to all.
        """
        return slot.committed is not None and slot.sequence <= self.ledger.sequence - self.settings.pipeline

    def _begin_above(self, certificate: Stable) -> None:
        """Begin above a checkpoint that is not stable here: vote on what follows it, and fetch what led to it."""
        self._take_stable(certificate, certificate.votes[0].member)
        if certificate.sequence > self._window.low:
            self._lowest = certificate
            self._raise_low(certificate.sequence)

    # --- after a restart ---------------------------------------------------------------------------

    def _restore(self, records: Mapping[Place, Record]) -> None:
        """Take up what was kept. Votes that may have been sent are counted again, so that no other is given."""
        snapshot = records.get(SNAPSHOT)
        if isinstance(snapshot, Snapshot):
            self._restore_state(snapshot)
        for place, record in sorted(records.items()):
            self._restore_slot(place, record)
        in_view = records.get(VIEW)
        if isinstance(in_view, InView):
            self.view, self.active = in_view.view, in_view.active
            self._change, self._opened_by = in_view.change, in_view.opened_by
            if in_view.change is not None:
                self._changes.add(in_view.change)
            self._restore_low(in_view)
        self._execute()
        self._count_own_again()
        self._effects.clear()
        self._attempts = 0

    def _restore_state(self, snapshot: Snapshot) -> None:
        self.ledger = self.ledger.restored(snapshot.state)
        self.stable, self._snapshot, self._lowest = snapshot.certificate, snapshot, snapshot.certificate
        self._window.border = self.ledger.border
        self._window.advance(snapshot.certificate.sequence, 0)

    def _restore_low(self, in_view: InView) -> None:
        """Begin again above the checkpoint above which the view began here, where the kept state does not reach it."""
        certificate = in_view.change.stable if in_view.change is not None else None
        if in_view.opened_by is not None:
            certificate = reproposed(in_view.opened_by.changes, self._start).stable
        if certificate is not None and certificate.sequence > self._window.low:
            self._lowest = certificate
            self._raise_low(certificate.sequence)
            self._begin_fetch(certificate, certificate.votes[0].member)

    def _restore_slot(self, place: Place, record: Record) -> None:
        match record:
            case Accepted():
                self._window.slot(place.sequence).accepted = record
            case Batches(batches=batches):
                slot = self._window.slot(place.sequence)
                for batch in batches:
                    slot.restore(batch)
            case Prepared():
                self._window.slot(place.sequence).prepared = record
            case Committed():
                self._window.slot(place.sequence).committed = record

    def _count_own_again(self) -> None:
        for slot in self._window.slots():
            accepted = slot.accepted
            if not self.active or accepted is None or accepted.view != self.view:
                continue
            self._next = max(self._next, slot.sequence + 1)
            batch = slot.batch(accepted.digest)
            if batch is not None and slot.sequence > self.ledger.sequence:
                self._under_way.update(update.id for update in batch.updates)
            proposal = Vote("pre-prepare", self.view, slot.sequence, accepted.digest, self.leader, accepted.proposal)
            slot.count(proposal)
            for message in self._words_on(slot, accepted):
                if isinstance(message, Vote):
                    slot.count(message)
