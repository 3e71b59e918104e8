"""Whether what an act cites carries it: an enrolment, a membership, grants; and what it waits for.

``Citing`` is the half of ``Authority`` that judges single events. It reads the folds that the other half keeps, and
changes nothing but a cache and the index of what waits.
"""

from __future__ import annotations

from collections.abc import Iterator

from foedus.base.limits import ACT_DRIFT_MAX
from foedus.identity.directory import IdentityDirectory
from foedus.log import streams
from foedus.log.bodies import fits_place
from foedus.log.chains import Chain, Chains, Limit
from foedus.log.control import NEW, ControlEvent, ControlEvents
from foedus.log.cuts import Cuts
from foedus.log.event import Act, Event
from foedus.log.grants import Grant, is_untouched, window
from foedus.log.memberships import Membership, Room
from foedus.log.participants import ACCEPTED, Device, Judgement, Participant, Session, pending, rejected
from foedus.log.permits import Permit, Permits, Span, carried
from foedus.log.port import Entry, Row, Verdict
from foedus.log.rests import Held, Rests
from foedus.log.roles import may, right_for
from foedus.log.spans import Recheck, Spans
from foedus.log.waiting import Place, Waiting

_NODE_KINDS_IN_ROOMS = frozenset({"epoch.open", "checkpoint"})
CITING = frozenset({"room", "knowledge"})
"""Kinds of streams in which acts cite what they stand on."""
BODY = "body"
ONE_BY_ONE = frozenset({NEW, BODY})
"""While a control event has one of these reasons, the events that cite it are indexed one by one in ``Waiting``."""
_SPEAK = frozenset({"device.enrol", "document.session"})
"""Kinds that let a key speak for a participant."""


class Citing:
    """Judges what no fold judges, by the folds."""

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

    def judge(self, event: Event, chain: Chain, seq: int) -> Judgement:
        """Return the verdict of an event of ``chain`` that no fold judges. Changes nothing but a cache."""
        limit = chain.limit
        if limit.seq is not None and seq > limit.seq:
            return beyond(limit)
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
            if held is None or held.reason in ONE_BY_ONE:
                self.waiting.add(cited, Place(chain.epoch, chain.stream, seq))

    def arrived(self, event_id: bytes) -> list[Recheck]:
        """Return what waited for an event that no fold judges, and that is held now."""
        spans = Spans()
        spans.add_places(self.waiting.release(event_id))
        return spans.rechecks()


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


def beyond(limit: Limit) -> Judgement:
    """Return the verdict of what lies beyond how far its chain is honoured."""
    return pending(limit.reason) if limit.pends else rejected(limit.reason)
