"""The authority verdict: a function of the held events and records, never of the order in which they came.

``Authority`` keeps the folds of participants and rooms current and answers ``judge`` for any other event. Where a new
fact changes what was judged before (a withdrawal, a cut, a fork, a missing event that came), it names what is to be
judged anew as ``Recheck`` values; admission reads that back from the log. Judging everything from scratch with a second
``Authority`` gives the same verdicts; a property test holds that, and that a slow oracle written from
docs/protocol.md agrees.

The rules stand there in section 4. Where its words leave room, this is what holds here:

- An event of another branch than its chain holds is held: who cites it need not wait for it. It carries nothing, and
  pends where nothing of its chain is honoured yet.
- An act is pending while it cites a pending enrolment of its author at its node, or a pending membership in its room.
- A membership that is withdrawn already keeps its first cuts.
- What the table of kinds does not let the node, or a device, write is ``not_permitted``, before anything is cited.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from foedus.base.limits import ACT_DRIFT_MAX
from foedus.log import streams
from foedus.log.bodies import DeviceEnrol, DeviceRevoke, GrantCreate, GrantRevoke, MemberAdd, MemberRemove
from foedus.log.chains import Chain
from foedus.log.citing import BODY, CITING, ONE_BY_ONE, Citing, beyond
from foedus.log.control import NEW, ControlEvent
from foedus.log.cuts import Moved
from foedus.log.documents import DocumentSession
from foedus.log.event import Parsed
from foedus.log.memberships import Room, creates, outside
from foedus.log.participants import ACCEPTED, Judgement, Participant, pending, rejected
from foedus.log.port import Verdict, VerdictChange
from foedus.log.resting import Spoke
from foedus.log.spans import Recheck, Spans, between

_CARRY = (MemberAdd, DeviceEnrol, DocumentSession, GrantCreate)
_CITABLE = frozenset({"member.add", "device.enrol", "document.session", "grant.create"})


class Authority(Citing):
    """Who may do what, from all held control events. Mutated only by admission, in its order."""

    # --- learning ----------------------------------------------------------------------------

    def learn(self, event: ControlEvent) -> tuple[list[VerdictChange], list[Recheck]]:
        """Take in a control event at the end of its chain; its own verdict is set on it.

        Returns the changed verdicts of others, and what to judge anew.
        """
        self.rests.learned(event)
        self.controls.add(event, is_marked=self.rests.marks(event))
        if event.created_room and self._hosts.get(event.stream) is None and self._note_host(event):
            return self.relearn(event.stream)
        return self._consequences([(event, self._next(event))], newest=event)

    def has_room_for(self, parsed: Parsed, node: bytes) -> bool:
        """Whether one more control event of a node stays within its bounds, once what may rest does."""
        if not self.controls.has_room_for(parsed, node):
            self.rests.rest(node, parsed.event.hlc[0])
        return self.controls.has_room_for(parsed, node)

    def relearn(self, stream: str, node: bytes | None = None) -> tuple[list[VerdictChange], list[Recheck]]:
        """Fold a control stream (of one node, or of all) again: a body came, a limit moved, a branch was chosen."""
        for event in self.controls.of_stream(stream):
            if event.created_room:
                self._note_host(event)
        nodes = self.controls.nodes_in(stream) if node is None else [node]
        judged = [pair for writer in nodes for pair in self._fold_again(stream, writer)]
        changed = [(event, verdict) for event, verdict in judged if verdict != (event.verdict, event.reason)]
        return self._consequences(changed)

    def forget(self, epoch: bytes, stream: str, node: bytes, from_seq: int) -> list[Recheck]:
        """Let go of the end of a control chain, since its owner chose another branch."""
        gone = self.controls.truncate(epoch, stream, node, from_seq)
        if any(event.created_room for event in gone):
            self._hosts.pop(stream, None)
            self.rooms.pop(bytes.fromhex(streams.parse(stream).subject), None)
        spans = Spans()
        for event in gone:
            spans.add_places(self.waiting.release(event.id))
            spans.add_chains(self._affected(event), {})
        return spans.rechecks()

    def taken_up(self, ids: Iterable[bytes]) -> list[Recheck]:
        """Return what events touch that were set aside, and stand in their chain again: nobody waited for them."""
        spans = Spans()
        for event in (event for event_id in ids if (event := self.controls.get(event_id)) is not None):
            if event.act.kind in _CITABLE:
                spans.add_chains(self._affected(event), {})
        return spans.rechecks()

    def host_of(self, room: str) -> bytes | None:
        """Return the host of the room of a ``room:`` stream, None while its ``room.create`` is not held."""
        return self._hosts.get("members:" + room.removeprefix("room:"))

    def _note_host(self, event: ControlEvent) -> bool:
        kind, subject = streams.parse(event.stream)
        is_host = kind == "members" and creates(event, bytes.fromhex(subject))
        if is_host:
            self._hosts[event.stream] = event.node
        return is_host

    def _next(self, event: ControlEvent) -> Judgement:
        """Judge the newest event of its chain. What is honoured is always the last of its fold."""
        if event.stream.startswith("participant:"):
            key = (event.node, event.stream.removeprefix("participant:"))
            participant = self.participants.get(key)
            if participant is None:
                participant = self.participants[key] = Participant(key[1], key[0])
            return self._judge_control(participant, event)
        host = self._hosts.get(event.stream)
        room = self._room(event.stream) if host == event.node else None
        return self._judge_control(room, event, host)

    def _room(self, stream: str) -> Room:
        room_id = bytes.fromhex(stream.removeprefix("members:"))
        room = self.rooms.get(room_id)
        if room is None:
            room = self.rooms[room_id] = Room(room_id)
        return room

    def _fold_again(self, stream: str, node: bytes) -> Iterator[tuple[ControlEvent, Judgement]]:
        kind, subject = streams.parse(stream)
        fold: Participant | Room | None = None
        host = self._hosts.get(stream)
        if kind == "participant":
            if not self._rest_stands(stream, node):
                self.rests.wake(stream, node)
            fold = self.participants[node, subject] = Participant(subject, node, self.rests.of(stream, node))
        elif host == node:
            room_id = bytes.fromhex(subject)
            fold = self.rooms[room_id] = Room(room_id)
        epochs = [record.id for record in self.identities.history(node)]
        for event in self.controls.in_order(stream, node, epochs):
            yield event, self._judge_control(fold, event, host)

    def _rest_stands(self, stream: str, node: bytes) -> bool:
        """Whether all that rests of a node in a stream is accepted still, as what is at hand says.

        An event at rest is carried by the device that signed it alone, from its enrolment until its revocation, and
        by how far its chain is honoured. A session or a revocation could also be forestalled by one before it.
        """
        resting = self.rests.of(stream, node)
        if resting is None:
            return True
        order = {record.id: number for number, record in enumerate(self.identities.history(node))}
        fold, spoke = Participant(stream.removeprefix("participant:"), node), Spoke(order)
        for event in self.controls.in_order(stream, node, order):
            if self._judge_control(fold, event) is ACCEPTED and not spoke.take(event, resting):
                return False
        return all(
            (chain := self.chains.get((epoch, stream))) is not None
            and chain.limit.covers(last)
            and spoke.covers(device, epoch, first, last)
            for (epoch, device), (first, last) in resting.extents.items()
        )

    def _judge_control(
        self, fold: Participant | Room | None, event: ControlEvent, host: bytes | None = None
    ) -> Judgement:
        if event.is_replay:
            return rejected("replayed_nonce")
        chain = self.chains.get((event.epoch, event.stream))
        if chain is not None and not chain.limit.covers(event.seq):
            return beyond(chain.limit)
        if abs(event.act.at - event.hlc_us) > ACT_DRIFT_MAX:
            return rejected("excessive_drift")
        if fold is not None:
            return fold.apply(event)
        may_create = host is None and event.act.kind == "room.create" and not event.has_body
        return outside(event) or (pending(BODY) if may_create else rejected("not_permitted"))

    # --- consequences ------------------------------------------------------------------------

    def _consequences(
        self, changed: Iterable[tuple[ControlEvent, Judgement]], newest: ControlEvent | None = None
    ) -> tuple[list[VerdictChange], list[Recheck]]:
        """Set new verdicts; return those of events that were held before, and the events of rooms that they touch."""
        changes: list[VerdictChange] = []
        spans = Spans()
        self._permits.clear()
        for event, judged in changed:
            former = Judgement(event.verdict, event.reason)
            event.verdict, event.reason = judged
            if event.verdict is Verdict.ACCEPTED:
                self.rests.note(event)
            if event is not newest and former.reason != NEW:
                changes.append(VerdictChange(event.id, *judged))
            spans.add_places(self.waiting.release(event.id))
            self._spread(event, former, spans)
        return changes, spans.rechecks()

    def _spread(self, event: ControlEvent, former: Judgement, spans: Spans) -> None:
        """Name what a changed verdict touches beyond the events that waited for it one by one."""
        accepted = event.verdict is Verdict.ACCEPTED
        if not accepted and former.verdict is not Verdict.ACCEPTED:
            matters = former.verdict is not event.verdict or event.reason in ONE_BY_ONE
            if matters and event.act.kind in _CITABLE and former.reason not in ONE_BY_ONE:
                spans.add_chains(self._affected(event), {})
            return
        body = event.body
        if isinstance(body, MemberRemove | DeviceRevoke | GrantRevoke):
            is_last = accepted and former.reason == NEW
            spans.add_chains(self._affected(event), {cut.chain: cut.seq for cut in body.cuts} if is_last else {})
        elif isinstance(body, _CARRY) and former.reason not in ONE_BY_ONE:
            spans.add_chains(self._affected(event), {})
        elif isinstance(body, MemberAdd) and accepted:
            self._spread_role(event, body, spans)

    def _spread_role(self, event: ControlEvent, body: MemberAdd, spans: Spans) -> None:
        """Name what a further membership of a node touches: it may give a role other than the one before."""
        room = self.rooms[bytes.fromhex(event.stream.removeprefix("members:"))]
        if room.is_one_of_several(event.id):
            chains = self.chains.of_stream("room:" + event.stream.removeprefix("members:"))
            heads = {cut.chain: cut.seq for cut in body.heads}
            spans.add_chains([chain for chain in chains if chain.node == body.node], heads)

    def _affected(self, event: ControlEvent) -> list[Chain]:
        """Return the chains of rooms and knowledge that a grant or a withdrawal may speak of."""
        named = event.body.node if isinstance(event.body, MemberRemove) else None
        return [chain for chain in self._standing_on(event.stream, event.node) if named in {None, chain.node}]

    def _standing_on(self, stream: str, node: bytes) -> list[Chain]:
        """Return the chains of which events may stand on what a node wrote in a control stream."""
        if stream.startswith("members:"):
            return self.chains.of_stream("room:" + stream.removeprefix("members:"))
        return [chain for chain in self.chains.of_node(node) if chain.kind in CITING]

    def follow_limits(self, moved: Iterable[Moved]) -> tuple[list[VerdictChange], list[Recheck]]:
        """Return what changes where chains are honoured less far, or farther, than before."""
        changes: list[VerdictChange] = []
        rechecks: list[Recheck] = []
        stale: dict[tuple[str, bytes], None] = {}
        spans = Spans()
        for chain, former in moved:
            if chain.is_folded:
                stale[chain.stream, chain.node] = None
                if chain.contested:  # who cites an event aside may have to wait now, or no longer
                    spans.add_chains(self._standing_on(chain.stream, chain.node), {})
            else:
                rechecks.append(between(chain, former))
        for stream, node in stale:
            more, spread = self.relearn(stream, node)
            changes += more
            rechecks += spread
        return changes, rechecks + spans.rechecks()
