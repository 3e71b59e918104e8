"""Why an act may or may not pass: the verdicts that this node gives, taken apart by layer.

Nothing is judged here. An act that was not done yet is put to ``Authority.judge``, the door, ``Consent`` and the
evaluator, as it would be if it were done now; of a held event the stored verdict and the same evaluator are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from msgspec.structs import replace

from foedus.base.clock import Hlc
from foedus.base.errors import NotFound, UsageError
from foedus.base.ids import parse_id
from foedus.log import streams
from foedus.log.bodies import PLACES
from foedus.log.chains import Chain
from foedus.log.citing import CITING
from foedus.log.event import Act, Event
from foedus.log.grants import Grant
from foedus.log.memberships import Room
from foedus.log.participants import Participant
from foedus.log.port import Row, Verdict
from foedus.log.roles import name_of
from foedus.node.author_bounds import Refusal
from foedus.node.carrying import NeedsApproval
from foedus.node.composition import Node
from foedus.node.explained import Code, found_in, words_for
from foedus.node.lookup import find
from foedus.node.views import Views, stored_event
from foedus.trust.border import COMMANDS, SPEAK, Crossing
from foedus.trust.evaluator import Allow, Layers, Withhold
from foedus.values.standing import ExplainView, LayerView

_REMEDY = "see the commands in docs/terms.md, or the kinds of `room:` in docs/protocol.md"


class _Case(NamedTuple):
    """An act with its place, and what the node says of it: ``code`` is '' where it passes."""

    who: str
    node: bytes
    kind: str
    room: Room | None
    layers: Layers | None
    code: Code
    role: int | None
    event: str = ""


class Explainer:
    """Explains acts of any participant, done or not."""

    def __init__(self, node: Node, views: Views) -> None:
        self._node = node
        self._views = views
        self._authority = node.store.admission.authority

    def is_in_room(self, act: str) -> bool:
        """Whether what a person names is done in a room; raise UsageError where it is nothing."""
        named = _named(act)
        return named == SPEAK or named not in COMMANDS

    # --- what is held ------------------------------------------------------------------------

    def of_event(self, event_id: str) -> ExplainView:
        """Explain the verdict on a held event; raise NotFound."""
        wanted = parse_id(event_id)
        row = self._node.log.by_ids([wanted]).get(wanted)
        if row is None:
            raise NotFound("no such event is held", code="unknown_event", remedy="see `foedus log list`")
        event = stored_event(row)
        node = self._node.store.identities.node_of(row.epoch) or b""
        return self._view(self._held(row, event, node))

    def _held(self, row: Row, event: Event, node: bytes) -> _Case:
        crossings = self._node.crossings
        author = event.act.author if event.act.device is not None else None
        chain = self._node.store.admission.chains.get((row.epoch, row.stream))
        is_room = chain is not None and chain.kind == "room"
        is_crossing = chain is not None and chain.kind in CITING
        crossing = crossings.crossing(event.act, row.stream, node) if is_crossing else None
        grants = self._authority.grants_of(event.act)
        layers = crossings.layers(crossing, event.act, node, grants, event.hlc[0]) if crossing is not None else None
        withheld = self._views.withheld(row, event, node)
        code = Code(withheld or row.reason, is_pending=row.verdict is Verdict.PENDING and not withheld)
        role = self._authority.role_at(chain, row.seq, author) if chain is not None and is_room else None
        room = self._authority.rooms.get(parse_id(row.stream.partition(":")[2])) if is_room else None
        shown = event.act.author if isinstance(event.act.author, str) else event.act.author.hex()
        return _Case(shown, node, row.kind, room, layers, code, role, row.id.hex())

    # --- what was not done yet ---------------------------------------------------------------

    def of_act(self, who: Participant, act: str, room: Room | None, peer: str) -> ExplainView:
        """Explain what would become of an act, if it were done now."""
        named = _named(act)
        if not self.is_in_room(act):
            return self._view(self._outside(who, named, peer))
        if room is None:
            raise UsageError(
                "in which room?", code="malformed_request", remedy="name it: `foedus explain WHO ACT ROOM`"
            )
        kind = "message.text" if named == SPEAK else named
        return self._view(self._in_room(who, kind, room))

    def _outside(self, who: Participant, command: str, peer: str) -> _Case:
        own = self._node.store.node
        host = own
        if who.node == own:
            known = ((it.node, it.name) for it in self._node.peers.book.peers.values())
            host = find(peer, known, "peer", "name the peer: `foedus explain WHO ACT PEER`")
        crossing = Crossing(command, {"host": host.hex()})
        act = self._act(who, command, ())
        grants = self._in_force(who)
        layers = self._node.crossings.layers(crossing, act, who.node, grants, self._node.store.now())
        refused = layers.first
        code = refused.code if refused is not None else ""
        code = code if who.node == own else self._foreign(crossing, act, who.node, grants)
        return _Case(who.did, who.node, command, None, layers, Code(code), None)

    def _in_room(self, who: Participant, kind: str, room: Room) -> _Case:
        """Judge the next event of who's chain in a room."""
        membership = room.of(who.node, who.did)
        auth = tuple(device.enrolment for device in who.devices.values() if device.cuts is None)[:1]
        auth += (membership.id,) if membership is not None else ()
        act = self._act(who, kind, auth)
        stream = streams.room(room.id)
        crossing = self._node.crossings.crossing(act, stream, who.node)
        is_local = who.node == self._node.store.node
        clause, grants = self._cited(act, stream) if is_local else ("", self._in_force(who))
        now = self._node.store.now()
        layers = self._node.crossings.layers(crossing, act, who.node, grants, now) if crossing is not None else None
        act = replace(act, auth=(*auth, *(grant.id for grant in grants)) if crossing is not None else auth)
        judged = self._judged(act, stream, who.node)
        role = self._node.crossings.role(room.id.hex(), who.node, who.did)
        first = layers.first if layers is not None else None
        if is_local:
            code = _local(judged, first, clause)
        else:
            withheld = self._node.withholding.door(who.node, stream, now)
            code = withheld or judged or self._foreign(crossing, act, who.node, grants)
        return _Case(who.did, who.node, kind, room, layers, Code(code), role)

    def _foreign(self, crossing: Crossing | None, act: Act, node: bytes, grants: Sequence[Grant]) -> str:
        """Return the clause by which another node's act that crosses is held back here, or ''."""
        if crossing is None:
            return ""
        decision = self._node.crossings.decide(crossing, act, node, grants, self._node.store.now())
        return self._node.crossings.code(decision, act, node)

    def _cited(self, act: Act, stream: str) -> tuple[str, Sequence[Grant]]:
        """Return the clause by which a local act is refused before it is ordered, and the grants that it would cite."""
        draft = self._node.author.node_act(stream, act.kind, b"", act.auth)
        try:
            (cited,) = self._node.consent.cite([draft._replace(act=act)])
        except NeedsApproval as need:
            return need.clause, ()
        except Refusal as refusal:
            return refusal.code, self._in_force(self._node.agents.find(act.author))
        return "", self._authority.grants_of(cited.act)

    def _act(self, who: Participant, kind: str, auth: tuple[bytes, ...]) -> Act:
        device = next((device.key for device in who.devices.values() if device.cuts is None), None)
        if device is None:
            raise UsageError(f"every device of {who.name} is revoked", code="unknown_device", remedy="enrol another")
        draft = self._node.author.node_act("node", kind, b"", auth)
        return replace(draft.act, author=who.did, device=device)

    def _judged(self, act: Act, stream: str, node: bytes) -> str:
        """Return why the authority verdict would reject an act at the end of its chain, or ''."""
        store = self._node.store
        newest = store.identities.newest(node)
        if newest is None:
            raise NotFound("nothing is known of that node", code="unknown_peer")
        chain = store.admission.chains.get((newest.id, stream)) or Chain(newest.id, stream, node)
        event = Event(
            v=1,
            act=act,
            hlc=Hlc(store.now(), 0),
            seq=chain.seq + 1,
            asig=None,
            prev=None,
            epoch=newest.id,
            stream=stream,
        )
        return self._authority.judge(event, chain, chain.seq + 1).reason

    def _in_force(self, who: Participant) -> list[Grant]:
        """Return the grants of a node's participants that carry now: what an act of one of them could cite."""
        now = self._node.store.now()
        people = [it for (node, _), it in self._authority.participants.items() if node == who.node]
        held = [grant for it in people for grant in it.grants.values()]
        return [
            grant
            for grant in held
            if grant.window()[0] <= now < grant.window()[1]
            and grant.device.cuts is None
            and not self._authority.is_taken_back(grant)
        ]

    # --- in words ----------------------------------------------------------------------------

    def _view(self, case: _Case) -> ExplainView:
        person = self._authority.participants.get((case.node, case.who))
        layer = found_in(case.code.text)
        return ExplainView(
            who=case.who,
            name=person.name if person is not None else self._views.node_name(case.node),
            node=case.node.hex(),
            node_name=self._views.node_name(case.node),
            is_local=case.node == self._node.store.node,
            act=case.kind,
            room=case.room.id.hex() if case.room is not None else "",
            event=case.event,
            allowed=not case.code.text,
            layer=layer,
            code=case.code.text,
            layers=[self._layer(case, "agreement"), self._layer(case, "grant"), self._layer(case, "room")],
            why=words_for(case.code.text),
        )

    def _layer(self, case: _Case, layer: Literal["agreement", "grant", "room"]) -> LayerView:
        """Return what a layer says: the clause that decided if it is its own, else what the evaluator says of it."""
        own = case.code.text if found_in(case.code.text) == layer else ""
        decision = getattr(case.layers, layer) if case.layers is not None else None
        code = own or (decision.code if isinstance(decision, Withhold) else "")
        verdict: Literal["allows", "refuses", "waits"] = "refuses" if code else "allows"
        return LayerView(
            layer=layer,
            verdict="waits" if own and case.code.is_pending else verdict,
            clause=code.partition(".")[2] or code,
            presets=self._presets(case, layer),
            words=words_for(code) if code else self._allowed(case, layer, decision),
        )

    def _presets(self, case: _Case, layer: str) -> dict[str, str]:
        if layer == "agreement" and case.node != self._node.store.node:
            return {"tier": self._node.peers.book.peer(case.node).tier.value}
        if layer != "room":
            return {}
        role = {} if case.role is None else {"role": f"{name_of(case.role)} {case.role}"}
        standing = self._node.standings.of(case.node, case.who)
        return role | {"standing": f"{standing.name.lower()} {standing.value}"}

    def _allowed(self, case: _Case, layer: str, decision: Allow | Withhold | None) -> str:
        if layer == "room":
            return "role and standing allow it"
        if case.layers is None:
            return "it crosses no border: nothing is asked"
        if layer == "agreement":
            if case.node != self._node.store.node and self._node.agreements.in_force(case.node) is None:
                return "none is in force with its node; only through another member of the room it still comes"
            return "the agreement in force allows it"
        humans = decision.humans if isinstance(decision, Allow) else ()
        people = self._authority.participants
        names = [people[case.node, did].name for did in humans if (case.node, did) in people]
        return f"in the name of {' and '.join(names)}"


def _named(act: str) -> str:
    """Return the command or kind that a person means; raise UsageError."""
    found = next((command for command in COMMANDS if act in {command, command.removeprefix("/foedus/")}), "")
    place = PLACES.get(act)
    if found or (place is not None and "room" in place.streams):
        return found or act
    raise UsageError(f"{act[:80]!r} is no act that is judged", code="bad_act", remedy=_REMEDY)


def _local(judged: str, first: Withhold | None, clause: str) -> str:
    """Return what a participant of this node hears first: no member or no such role, then consent, then the rest."""
    if judged == "role":
        return "room.role"
    if judged in {"not_permitted", "unknown_device"}:
        return judged
    return clause or (first.code if first is not None else "") or judged
