"""The authority verdict: a function of the held events and records, never of the order in which they came.

``Authority`` keeps the folds of participants and rooms current and answers ``judge`` for any event. Where a new
fact changes what was judged before (a withdrawal, a cut, a fork, a missing event that came), it names the
chains to judge anew as ``Recheck`` values; admission reads them back from the log. Judging everything from
scratch with a second ``Authority`` gives the same verdicts; a property test holds that.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from foedus.base.ids import sha256
from foedus.base.limits import ACT_DRIFT_MAX, PENDING_MAX
from foedus.identity.directory import IdentityDirectory
from foedus.log import streams
from foedus.log.bodies import DeviceRevoke, MemberRemove, RoomCreate
from foedus.log.chains import Chain, ChainKey, Chains
from foedus.log.control import NEW, ControlEvent, ControlEvents
from foedus.log.event import Event
from foedus.log.memberships import Room
from foedus.log.participants import ACCEPTED, Judgement, Participant, pending, rejected
from foedus.log.port import Verdict

_ROOM_KINDS_OF_NODES = frozenset({"epoch.open", "checkpoint"})
_NODE_KINDS = frozenset({"epoch.open", "checkpoint", "node.profile"})
_PAIR_KINDS = frozenset({"epoch.open", "checkpoint", "agreement.sign", "agreement.end"})


class Recheck(NamedTuple):
    """The events of a chain from ``from_seq`` on are to be judged anew."""

    epoch: bytes
    stream: str
    from_seq: int


class ControlChange(NamedTuple):
    """A control event's verdict changed."""

    event: ControlEvent
    verdict: Verdict
    reason: str


class Authority:
    """Who may do what, from all held control events. Mutated only by admission, in its order."""

    def __init__(self, identities: IdentityDirectory, chains: Chains) -> None:
        self.identities = identities
        self.chains = chains
        self.controls = ControlEvents()
        self.openings: dict[ChainKey, tuple[bytes, int] | None] = {}
        self.rooms: dict[bytes, Room] = {}
        self.participants: dict[tuple[bytes, str], Participant] = {}
        self._waiting: dict[bytes, dict[ChainKey, int]] = {}
        self._waiting_count = 0

    # --- judging -----------------------------------------------------------------------------

    def judge(self, event: Event, chain: Chain, seq: int) -> Judgement:
        """Return the verdict of an event of ``chain`` (a control event's is in its fold instead).

        A pending verdict on an absent event is remembered, so that its coming rechecks this chain.
        """
        limit = self._beyond_limit(chain, seq)
        if limit is not None:
            return limit
        if abs(event.act.at - event.hlc[0]) > ACT_DRIFT_MAX:
            return rejected("excessive_drift")
        stream = streams.parse(chain.stream)
        if stream.kind == "room":
            return self._judge_room(event, chain, seq, bytes.fromhex(stream.subject))
        kinds = _NODE_KINDS if stream.kind == "node" else _PAIR_KINDS
        fits = event.act.device is None and event.act.kind in kinds
        return ACCEPTED if fits else rejected("not_permitted")

    def _beyond_limit(self, chain: Chain, seq: int) -> Judgement | None:
        if chain.limit is None or seq <= chain.limit:
            return None
        return pending(chain.limit_reason) if chain.limit_pends else rejected(chain.limit_reason)

    def _judge_room(self, event: Event, chain: Chain, seq: int, room_id: bytes) -> Judgement:
        act = event.act
        if act.device is None and act.kind in _ROOM_KINDS_OF_NODES:
            return ACCEPTED
        chain_id = streams.chain_id(chain.epoch, chain.stream)
        if act.device is not None:
            judgement = self._judge_device(event, chain, seq, chain_id)
            if judgement.verdict is not Verdict.ACCEPTED:
                return judgement
        room = self.rooms.get(room_id)
        for cited in act.auth:
            membership = room.memberships.get(cited) if room else None
            if membership is None or not membership.covers(chain.node, act.author if act.device else None):
                continue
            return ACCEPTED if membership.counts_at(chain_id, seq) else rejected("not_permitted")
        return self._absent(event, chain, seq, streams.members(room_id), "not_permitted")

    def _judge_device(self, event: Event, chain: Chain, seq: int, chain_id: bytes) -> Judgement:
        act = event.act
        participant = self.participants.get((chain.node, act.author))
        device = participant.devices.get(act.device) if participant and act.device else None
        if device is not None and device.enrolment in act.auth:
            return ACCEPTED if device.speaks_at(chain_id, seq) else rejected("unknown_device")
        return self._absent(event, chain, seq, streams.participant(act.author), "unknown_device")

    def _absent(self, event: Event, chain: Chain, seq: int, stream: str, reason: str) -> Judgement:
        """What an act cites is absent, or does not carry it: wait for what may still change that, else reject."""
        missing = [cited for cited in event.act.auth if self.controls.get(cited) is None]
        undecided = [
            cited
            for cited in event.act.auth
            if (held := self.controls.get(cited)) and held.stream == stream and held.verdict is Verdict.PENDING
        ]
        for cited in (*missing, *undecided):
            self._wait(cited, chain.key, seq)
        return pending("auth") if missing or undecided else rejected(reason)

    def _wait(self, cited: bytes, key: ChainKey, seq: int) -> None:
        chains = self._waiting.setdefault(cited, {})
        if key not in chains:
            if self._waiting_count >= PENDING_MAX:
                return
            self._waiting_count += 1
        chains[key] = min(seq, chains.get(key, seq))

    def missing_for(self, event: Event) -> list[bytes]:
        """Return the cited ids that are not held: what to ask for."""
        return [cited for cited in event.act.auth if self.controls.get(cited) is None]

    # --- learning ----------------------------------------------------------------------------

    def learn(self, event: ControlEvent) -> tuple[list[ControlChange], list[Recheck]]:
        """Take in a control event at the end of its chain; return changed verdicts (its own, too) and rechecks."""
        self.controls.add(event)
        stream = streams.parse(event.stream)
        if stream.kind in {"participant", "members"}:
            changes = self._refold(event.stream, newest=event)
        else:
            changes = [ControlChange(event, *self._judge_control(event))]
        return changes, self._consequences(changes)

    def relearn(self, stream: str) -> tuple[list[ControlChange], list[Recheck]]:
        """Fold a control stream again after a body came, a limit moved or a branch was chosen."""
        if streams.parse(stream).kind in {"participant", "members"}:
            changes = self._refold(stream)
        else:
            changes = [
                ControlChange(event, *judged)
                for event in self.controls.of_stream(stream)
                if (judged := self._judge_control(event)) != (event.verdict, event.reason)
            ]
        return changes, self._consequences(changes)

    def _judge_control(self, event: ControlEvent) -> Judgement:
        chain = self.chains.ensure(event.epoch, event.stream, event.node)
        limit = self._beyond_limit(chain, event.seq)
        if limit is not None:
            return limit
        kinds = _NODE_KINDS if event.stream == streams.NODE else _PAIR_KINDS
        fits = event.act.device is None and event.act.kind in kinds
        return ACCEPTED if fits else rejected("not_permitted")

    def _refold(self, stream: str, newest: ControlEvent | None = None) -> list[ControlChange]:
        kind, subject = streams.parse(stream)
        if kind == "members":
            return self._refold_room(stream, bytes.fromhex(subject), newest)
        nodes = [newest.node] if newest else list({event.node for event in self.controls.of_stream(stream)})
        return [change for node in nodes for change in self._refold_participant(stream, subject, node, newest)]

    def _refold_participant(
        self, stream: str, did: str, node: bytes, newest: ControlEvent | None
    ) -> list[ControlChange]:
        held = self.participants.get((node, did))
        if held is not None and newest is not None and self._is_last(newest):
            return self._apply(held, [newest], force=newest)
        fresh = self.participants[node, did] = Participant(did, node)
        return self._apply(fresh, self._path(stream, node), force=newest)

    def _refold_room(self, stream: str, room_id: bytes, newest: ControlEvent | None) -> list[ControlChange]:
        held = self.rooms.get(room_id)
        if held is not None and newest is not None and held.host == newest.node and self._is_last(newest):
            return self._apply(held, [newest], force=newest)
        fresh = self.rooms[room_id] = Room(room_id)
        host = self._host(stream, room_id)
        of_host = self._path(stream, host) if host else []
        others = [event for event in self.controls.of_stream(stream) if event.node != host]
        return self._apply(fresh, [*of_host, *others], force=newest)

    def _host(self, stream: str, room_id: bytes) -> bytes | None:
        for event in self.controls.of_stream(stream):
            body = event.body
            if isinstance(body, RoomCreate) and body.host == event.node and sha256(event.body_bytes or b"") == room_id:
                return event.node
        return None

    def _path(self, stream: str, node: bytes) -> list[ControlEvent]:
        """All events of a node in a stream, epochs in order; those off the honoured path come last."""
        history = [record.id for record in self.identities.history(node)]
        on_path = list(self.controls.in_order(stream, history))
        known = set(history)
        rest = [event for event in self.controls.of_stream(stream) if event.node == node and event.epoch not in known]
        return [*on_path, *rest]

    def _is_last(self, event: ControlEvent) -> bool:
        newest = self.identities.newest(event.node)
        return newest is not None and newest.id == event.epoch

    def _apply(
        self, fold: Participant | Room, events: Iterable[ControlEvent], force: ControlEvent | None
    ) -> list[ControlChange]:
        """Apply events to a fold; return those whose verdict changed, and ``force`` in any case."""
        changes = []
        for event in events:
            chain = self.chains.ensure(event.epoch, event.stream, event.node)
            judged = (
                self._replayed(fold, event)
                or self._beyond_limit(chain, event.seq)
                or self._drifted(event)
                or fold.apply(event)
            )
            if event is force or judged != (event.verdict, event.reason):
                changes.append(ControlChange(event, *judged))
        return changes

    def _replayed(self, fold: Participant | Room, event: ControlEvent) -> Judgement | None:
        is_replay = isinstance(fold, Participant) and fold.is_replay(event)
        return rejected("replayed_nonce") if is_replay else None

    def _drifted(self, event: ControlEvent) -> Judgement | None:
        return rejected("excessive_drift") if abs(event.act.at - event.hlc_us) > ACT_DRIFT_MAX else None

    def _consequences(self, changes: list[ControlChange]) -> list[Recheck]:
        """Set the new verdicts, and name the chains of rooms that they touch."""
        found: dict[ChainKey, int] = {}
        for change in changes:
            was_new = change.event.reason == NEW
            change.event.verdict, change.event.reason = change.verdict, change.reason
            for key, seq in self._release(change.event.id).items():
                found[key] = min(seq, found.get(key, seq))
            for key, seq in self._touched(change, was_new=was_new):
                found[key] = min(seq, found.get(key, seq))
        return [Recheck(epoch, stream, seq) for (epoch, stream), seq in found.items()]

    def _release(self, event_id: bytes) -> dict[ChainKey, int]:
        waiting = self._waiting.pop(event_id, {})
        self._waiting_count -= len(waiting)
        return waiting

    def _touched(self, change: ControlChange, *, was_new: bool) -> list[tuple[ChainKey, int]]:
        event = change.event
        accepted = change.verdict is Verdict.ACCEPTED
        if was_new and not accepted:
            return []
        body = event.body
        if isinstance(body, MemberRemove) and accepted:
            cuts = {cut.chain: cut.seq for cut in body.cuts}
            chains = [c for c in self._room_chains(event.stream) if c.node == body.node]
        elif isinstance(body, DeviceRevoke) and accepted:
            cuts = {cut.chain: cut.seq for cut in body.cuts}
            chains = self._acting_chains(event.node)
        elif was_new:
            return []
        else:
            cuts = {}
            is_room = event.stream.startswith("members:")
            chains = self._room_chains(event.stream) if is_room else self._acting_chains(event.node)
        return [(chain.key, cuts.get(streams.chain_id(*chain.key), 0) + 1) for chain in chains]

    def _room_chains(self, members_stream: str) -> list[Chain]:
        return self.chains.of_stream("room:" + members_stream.removeprefix("members:"))

    def _acting_chains(self, node: bytes) -> list[Chain]:
        return [chain for chain in self.chains.of_node(node) if chain.stream.startswith("room:")]

    # --- limits ------------------------------------------------------------------------------

    def refresh_limits(self, node: bytes) -> tuple[list[ControlChange], list[Recheck]]:
        """Recompute how far each chain of a node is honoured, after a record, an opening or a fork came."""
        changes: list[ControlChange] = []
        rechecks: list[Recheck] = []
        stale: set[str] = set()
        for chain in self.chains.of_node(node):
            former = (chain.limit, chain.limit_reason, chain.limit_pends)
            chain.limit, chain.limit_reason, chain.limit_pends = self._limit(chain)
            if former == (chain.limit, chain.limit_reason, chain.limit_pends):
                continue
            if streams.parse(chain.stream).is_control:
                stale.add(chain.stream)
            else:
                bounds = [bound for bound in (former[0], chain.limit) if bound is not None]
                rechecks.append(Recheck(chain.epoch, chain.stream, min(bounds) + 1))
        for stream in sorted(stale):
            more_changes, more_rechecks = self.relearn(stream)
            changes += more_changes
            rechecks += more_rechecks
        return changes, rechecks

    def _limit(self, chain: Chain) -> tuple[int | None, str, bool]:
        """(last honoured seq or None, reason, whether what lies beyond is pending rather than rejected)."""
        epoch = chain.epoch
        if self.identities.is_void(epoch):
            return 0, "superseded", False
        successors = self.identities.successors_on_branch(epoch)
        for later in successors:
            if (later, chain.stream) in self.openings:
                cut = self.openings[later, chain.stream]
                return (cut[1] if cut and cut[0] == epoch else 0), "superseded", False
        if any(self.identities.cause(later) == "recovery" for later in successors):
            return 0, "opening", True
        if chain.contested:
            return chain.contested - 1, "equivocation", False
        return None, "", False
