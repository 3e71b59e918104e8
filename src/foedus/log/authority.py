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
from foedus.identity.directory import IdentityDirectory
from foedus.log import streams
from foedus.log.bodies import (
    DeviceEnrol,
    DeviceRevoke,
    GrantCreate,
    GrantRevoke,
    MemberAdd,
    MemberRemove,
    fits_place,
)
from foedus.log.chains import Chain, Chains, Limit
from foedus.log.control import NEW, ControlEvent, ControlEvents
from foedus.log.cuts import Cuts, Moved
from foedus.log.documents import DocumentSession
from foedus.log.event import Act, Event, Parsed
from foedus.log.grants import Grant, is_untouched, window
from foedus.log.memberships import Membership, Room, creates, outside
from foedus.log.participants import ACCEPTED, Device, Judgement, Participant, Session, pending, rejected
from foedus.log.permits import Permit, Permits, Span, carried
from foedus.log.port import Entry, Row, Verdict, VerdictChange
from foedus.log.resting import Spoke
from foedus.log.rests import Held, Rests
from foedus.log.roles import may, right_for
from foedus.log.spans import Recheck, Spans, between
from foedus.log.waiting import Place, Waiting

_NODE_KINDS_IN_ROOMS = frozenset({"epoch.open", "checkpoint"})
CITING = frozenset({"room", "knowledge"})
"""Kinds of streams in which acts cite what they stand on."""
_CARRY = (MemberAdd, DeviceEnrol, DocumentSession, GrantCreate)
_BODY = "body"
_ONE_BY_ONE = frozenset({NEW, _BODY})
"""While a control event has one of these reasons, the events that cite it are indexed one by one in ``Waiting``."""
_CITABLE = frozenset({"member.add", "device.enrol", "document.session", "grant.create"})
_SPEAK = frozenset({"device.enrol", "document.session"})
"""Kinds that let a key speak for a participant."""


class Authority:
    """Who may do what, from all held control events. Mutated only by admission, in its order."""

    def __init__(self, identities: IdentityDirectory, chains: Chains, held: Held) -> None:
        self._held = held
        self.identities = identities
        self.chains = chains
        self.controls = ControlEvents()
        self.cuts = Cuts(identities, chains)
        self.waiting = Waiting()
        self.rooms: dict[bytes, Room] = {}
        self.participants: dict[tuple[bytes, str], Participant] = {}
        self.rests = Rests(self.controls, self.participants, held, identities.node_of)
        self._hosts: dict[str, bytes] = {}
        self._permits = Permits()

    # --- judging -----------------------------------------------------------------------------

    def judge(self, event: Event, chain: Chain, seq: int) -> Judgement:
        """Return the verdict of an event of ``chain`` that no fold judges. Changes nothing but a cache."""
        limit = chain.limit
        if limit.seq is not None and seq > limit.seq:
            return _beyond(limit)
        act = event.act
        if abs(act.at - event.hlc[0]) > ACT_DRIFT_MAX:
            return rejected("excessive_drift")
        if not fits_place(act.kind, chain.kind, by_device=act.device is not None):
            return rejected("not_permitted")
        if chain.kind not in CITING or act.kind in _NODE_KINDS_IN_ROOMS:
            return ACCEPTED
        permit = (chain, act.author, act.device, act.auth)
        if self._permits.hold(permit, seq, event.hlc[0]):
            return ACCEPTED
        return self._judge_citing(event, chain, seq, permit)

    def _judge_citing(self, event: Event, chain: Chain, seq: int, permit: Permit) -> Judgement:
        """Look for a device, a membership and grants among what is cited; remember those that no cut bounds.

        Knowledge has no members: who is enrolled at the node may write in its chain.
        """
        act = event.act
        chain_id = streams.chain_id(chain.epoch, chain.stream)
        device = None
        if act.device is not None:
            device = self._device(act, chain.node)
            if device is None:
                return self._absent(act, chain, "unknown_device")
            if not device.speaks_at(chain_id, seq):
                return rejected("unknown_device")
            if isinstance(device, Session) and not device.covers(event):
                return rejected("not_permitted")
        is_seated = self._is_seated(act, chain, chain_id, seq) if chain.kind == "room" else True
        if isinstance(is_seated, Judgement):
            return is_seated
        links = self._grants(act, chain)
        if isinstance(links, Judgement):
            return links
        is_free = is_seated and (device is None or _is_steady(device)) and is_untouched(links)
        span = Span(seq, *window(links))
        judged = carried(links, span, chain_id, event)
        if is_free and judged is ACCEPTED:
            self._permits.keep(permit, span)
        return judged

    def _is_seated(self, act: Act, chain: Chain, chain_id: bytes, seq: int) -> bool | Judgement:
        """Return whether a cited membership carries an act for good, or why none does."""
        membership = self._membership(act, chain, chain_id, seq)
        if membership is None:
            return self._absent(act, chain, "not_permitted")
        role = self.role_at(chain, seq, act.author if act.device is not None else None)
        if role is None or not may(role, right_for(act.kind)):
            return rejected("role")
        return membership.cuts is None and may(role, "speak") and self._is_settled(chain, chain_id, seq)

    def role_at(self, chain: Chain, seq: int, author: str | None) -> int | None:
        """Return the role of an author (None: the node itself) at a place of a room's chain, None where it has none."""
        room = self.rooms.get(streams.room_of(chain.stream) or b"")
        chain_id = streams.chain_id(chain.epoch, chain.stream)
        membership = room.governing(chain.node, author, chain_id, seq) if room is not None else None
        if room is None or membership is None:
            return None
        who = self.participants.get((chain.node, author)) if author is not None else None
        return room.role_of(membership, author, who.kind if who is not None else None)

    def _is_settled(self, chain: Chain, chain_id: bytes, seq: int) -> bool:
        """Whether what holds of roles at a place holds for the rest of the chain, too."""
        return self.rooms[bytes.fromhex(chain.stream.removeprefix("room:"))].is_settled(chain.node, chain_id, seq)

    def _grants(self, act: Act, chain: Chain) -> list[Grant] | Judgement:
        """Return the grants that an act cites, or the verdict where one of them is missing or is none."""
        links: list[Grant] = []
        for cited in act.auth:
            held = self.control(cited)
            if held is None:
                objection = self._objection(cited, chain.node)
                if objection is not None:
                    return objection
            elif held.act.kind == "grant.create":
                if held.node != chain.node:
                    return rejected("invalid_grant")
                if held.verdict is Verdict.PENDING:
                    return pending("auth")
                grant = self.grant(held)
                if grant is None:
                    return rejected("invalid_grant")
                links.append(grant)
        return links

    def _objection(self, cited: bytes, node: bytes) -> Judgement | None:
        """Return what speaks against an act that cites what is at hand as no control event: it may be a grant aside."""
        held = self._held.get(cited)
        if held is None:
            return pending("auth")
        if held.kind != "grant.create" or not held.stream.startswith("participant:"):
            return None
        is_own = self.identities.node_of(held.epoch) == node
        return pending("auth") if is_own and self._pends(held) else rejected("invalid_grant")

    def _pends(self, held: Entry | Row) -> bool:
        """Whether it is open yet what is honoured of the chain of an event, which may be aside."""
        chain = self.chains.get((held.epoch, held.stream))
        return chain is not None and chain.limit.pends

    def control(self, event_id: bytes) -> ControlEvent | None:
        """Return a held control event by its id, also one that rests."""
        return self.controls.get(event_id) or self.rests.get(event_id)

    def grant(self, event: ControlEvent) -> Grant | None:
        """Return what a held ``grant.create`` gave, None where it is not honoured."""
        issuer = self.participants.get((event.node, event.stream.removeprefix("participant:")))
        return issuer.granted(event) if issuer is not None and event.verdict is Verdict.ACCEPTED else None

    def is_taken_back(self, grant: Grant) -> bool:
        """Whether the issuer withdrew a grant."""
        return grant.issuer.has_withdrawn(grant.delegation.cid)

    def grants_of(self, act: Act) -> list[Grant]:
        """Return the honoured grants that an act cites, in its order: what the door judges it by."""
        held = [self.control(cited) for cited in act.auth]
        found = [self.grant(event) for event in held if event is not None and event.act.kind == "grant.create"]
        return [grant for grant in found if grant is not None]

    def _device(self, act: Act, node: bytes) -> Device | None:
        """Return the signing device if its enrolment is cited."""
        participant = self.participants.get((node, act.author))
        if participant is None or act.device is None:
            return None
        device = participant.devices.get(act.device) or participant.session(act.device)
        return device if device is not None and device.enrolment in act.auth else None

    def signer(self, act: Act, node: bytes) -> bytes | None:
        """Return the device that stands behind an act: for one of a session, the one that opened it."""
        participant = self.participants.get((node, act.author))
        session = participant.session(act.device) if participant is not None and act.device else None
        return act.device if session is None else session.issuer.key

    def _membership(self, act: Act, chain: Chain, chain_id: bytes, seq: int) -> Membership | None:
        """Return a cited membership that covers the act at its place."""
        room = self.rooms.get(bytes.fromhex(chain.stream.removeprefix("room:")))
        author = act.author if act.device is not None else None
        for cited in act.auth:
            membership = room.memberships.get(cited) if room is not None else None
            if membership and membership.covers(chain.node, author) and membership.counts_at(chain_id, seq):
                return membership
        return None

    def _absent(self, act: Act, chain: Chain, reason: str) -> Judgement:
        """Nothing that an act cites carries it: wait for what may still do so, else reject."""
        undecided = any(True for _ in self._undecided(act, chain)) or self._may_come_back(act, chain)
        return pending("auth") if undecided else rejected(reason)

    def _may_come_back(self, act: Act, chain: Chain) -> bool:
        """Whether an event aside is cited of which it is open whether it carries the act."""
        aside = [held for cited in act.auth if self.control(cited) is None and (held := self._held.get(cited))]
        places = [(held.kind, held.stream, self.identities.node_of(held.epoch)) for held in aside if self._pends(held)]
        return any(_may_carry(place, act, chain) for place in places)

    def _undecided(self, act: Act, chain: Chain) -> Iterator[tuple[bytes, ControlEvent | None]]:
        """Yield what is cited and not held, or pending and of a kind that could carry the act."""
        yield from ((cited, None) for cited in self._missing(act))
        for held in self._pending(act):
            if _may_carry((held.act.kind, held.stream, held.node), act, chain):
                yield held.id, held

    def _pending(self, act: Act) -> list[ControlEvent]:
        cited = [self.controls.get(event_id) for event_id in act.auth]
        return [held for held in cited if held is not None and held.verdict is Verdict.PENDING]

    def _missing(self, act: Act) -> list[bytes]:
        unknown = [cited for cited in act.auth if self.controls.get(cited) is None]
        return self._held.unheld(unknown) if unknown else []

    def missing_for(self, event: Event) -> list[bytes]:
        """Return the cited ids that are not held: what to ask for."""
        return self._missing(event.act)

    def await_cited(self, event: Event, chain: Chain, seq: int) -> None:
        """Index an event that is pending for want of ``auth``, so that what it cites judges it anew."""
        grants = ((held.id, held) for held in self._pending(event.act) if held.act.kind == "grant.create")
        for cited, held in (*self._undecided(event.act, chain), *grants):
            if held is None or held.reason in _ONE_BY_ONE:
                self.waiting.add(cited, Place(chain.epoch, chain.stream, seq))

    def arrived(self, event_id: bytes) -> list[Recheck]:
        """Return what waited for an event that no fold judges, and that is held now."""
        spans = Spans()
        spans.add_places(self.waiting.release(event_id))
        return spans.rechecks()

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
            return _beyond(chain.limit)
        if abs(event.act.at - event.hlc_us) > ACT_DRIFT_MAX:
            return rejected("excessive_drift")
        if fold is not None:
            return fold.apply(event)
        may_create = host is None and event.act.kind == "room.create" and not event.has_body
        return outside(event) or (pending(_BODY) if may_create else rejected("not_permitted"))

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
            matters = former.verdict is not event.verdict or event.reason in _ONE_BY_ONE
            if matters and event.act.kind in _CITABLE and former.reason not in _ONE_BY_ONE:
                spans.add_chains(self._affected(event), {})
            return
        body = event.body
        if isinstance(body, MemberRemove | DeviceRevoke | GrantRevoke):
            is_last = accepted and former.reason == NEW
            spans.add_chains(self._affected(event), {cut.chain: cut.seq for cut in body.cuts} if is_last else {})
        elif isinstance(body, _CARRY) and former.reason not in _ONE_BY_ONE:
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


def _may_carry(place: tuple[str, str, bytes | None], act: Act, chain: Chain) -> bool:
    """Whether a pending control event, once accepted, could be the enrolment or membership on which an act stands.

    ``place``: its kind, stream and node.
    """
    kind, (within, _, subject), node = place[0], place[1].partition(":"), place[2]
    if within == "participant":
        return kind in _SPEAK and node == chain.node and subject == act.author
    return kind == "member.add" and within == "members" and subject == chain.stream.removeprefix("room:")


def _is_steady(device: Device) -> bool:
    """Whether what holds of a device holds for the rest of a chain, whatever it signs."""
    return device.cuts is None and not isinstance(device, Session)


def _beyond(limit: Limit) -> Judgement:
    return pending(limit.reason) if limit.pends else rejected(limit.reason)
