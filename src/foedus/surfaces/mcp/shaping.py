"""From what the node's API shows to what an agent is told: every word of another node marked, ids left plain."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from foedus.base.limits import SECOND
from foedus.surfaces.mcp import values
from foedus.surfaces.mcp.marking import mark, new_boundary
from foedus.surfaces.mcp.values import Origin, Told
from foedus.values.calls import CallView, CapabilityView
from foedus.values.consent import ApprovalView, GrantView
from foedus.values.knowledge import PacketView
from foedus.values.queries import AnswersView, MergedView
from foedus.values.rooms import MessageView, RoomView

_MILLION = 1_000_000


class Shaper:
    """Shapes the parts of one result. ``own``: the id of this node, hex. Its marks have one boundary, and numbers."""

    def __init__(self, own: str) -> None:
        self._own = own
        self._boundary = new_boundary()
        self._marked = 0

    def told(self, origin: Origin, content: Mapping[str, Any], proof: str = "its signature holds") -> Told:
        """Return content as it is, or marked where it is foreign. ``proof``: why its origin is believed."""
        if not origin.foreign:
            return Told(origin=origin, content=dict(content))
        by = f" by {origin.author}" if origin.author else ""
        why = proof if origin.verified else f"not verified: {origin.why_not}"
        where = f"written at node {origin.node}{by}; {why}" if origin.node else f"written by several; {why}"
        self._marked += 1
        return Told(origin=origin, foreign_content=mark(content, where, f"{self._boundary}.{self._marked}"))

    def at(self, node: str, **known: Any) -> Origin:
        """Return an origin at a node."""
        return Origin(foreign=node != self._own, node=node, **known)

    def room(self, view: RoomView) -> values.Room:
        """Return a room. Its name is the host's word, and a member's name that member's."""
        names = {it.participant: it.participant_name for it in view.members if it.participant}
        content = {"name": view.name, "members": names}
        is_mixed = any(it.node != self._own for it in view.members)
        origin = Origin(foreign=is_mixed or not view.is_host, node=view.host, node_known_as=view.host_known_as)
        return values.Room(
            room=view.room,
            host=view.host,
            mine=view.is_host,
            members=[
                values.Member(
                    node=it.node, participant=it.participant, role=it.role_name, known_as=it.participant_known_as
                )
                for it in view.members
            ],
            told=self.told(origin, content, "names are claims"),
        )

    def message(self, view: MessageView) -> values.Message:
        """Return a message."""
        origin = self.at(
            view.node,
            author=view.author,
            author_kind=view.author_kind,
            node_known_as=view.node_known_as,
            author_known_as=view.author_known_as,
            verified=view.verified,
            why_not=view.why_not,
        )
        content = {"author_name": view.author_name, "text": view.text}
        return values.Message(id=view.id, room=view.room, at=when(view.at), told=self.told(origin, content))

    def packet(self, view: PacketView) -> values.Packet:
        """Return a packet."""
        who = view.who
        origin = self.at(
            who.node,
            author=who.author,
            author_kind=who.author_kind,
            node_known_as=who.node_known_as,
            author_known_as=who.author_known_as,
        )
        content: dict[str, Any] = {"title": view.title, "content": view.content, "tags": view.tags}
        if view.data is not None:
            content["data"] = {"media_type": view.data.media_type, "base64url": view.data.data}
        if view.reason:
            content["reason"] = view.reason
        return values.Packet(
            packet=view.id,
            domain=view.domain,
            state=view.state,
            type="" if origin.foreign else view.type,
            at=when(view.at),
            confidence=view.confidence / _MILLION,
            told=self.told(origin, content | {"type": view.type}),
            dependencies=view.dependencies,
            missing=view.missing,
            revision=view.revision,
            score=None if view.score is None else view.score / _MILLION,
        )

    def found(self, view: MergedView) -> values.Found:
        """Return one result. What its body names as origin is what the telling node says of it."""
        sources = [it.node for it in view.sources]
        is_held = self._own in sources and view.body.get("origin", self._own) == self._own
        node = self._own if is_held else next((it for it in sources if it != self._own), self._own)
        origin = Origin(
            foreign=not is_held,
            node=node,
            author=str(view.body.get("author") or view.body.get("agent") or ""),
            node_known_as=next((it.node_known_as for it in view.sources if it.node == node), ""),
        )
        return values.Found(
            kind=view.kind,
            content=view.content,
            score=view.score / _MILLION,
            sources=sources,
            told=self.told(origin, view.body, "the node signed that it says so"),
        )

    def outcomes(self, answers: AnswersView) -> list[values.NodeOutcome]:
        """Return how each node did with a question."""
        return [
            values.NodeOutcome(node=it.node, outcome=it.outcome, results=it.results, code=it.code)
            for it in answers.nodes
        ]

    def capability(self, view: CapabilityView) -> values.Capability:
        """Return what an agent of this node offers."""
        content = {"about": view.about, "takes": view.takes, "returns": view.returns, "price": view.price}
        return values.Capability(
            name=view.name,
            node=view.node,
            offer=view.offer,
            agent=view.agent,
            standing=view.standing,
            told=self.told(self.at(view.node, author=view.agent), content),
        )

    def called(self, view: CallView) -> values.Called:
        """Return how a call ended."""
        content: dict[str, Any] = {"output": view.output, "message": view.message}
        told = None
        if view.output is not None or view.message:
            origin = self.at(view.node, author=view.agent, verified=bool(view.receipt_sig) or view.node == self._own)
            told = self.told(origin, content, "its node signed the receipt")
        return values.Called(
            call=view.call,
            state=view.state,
            outcome=view.outcome,
            code=view.code,
            deadline=when(view.deadline),
            told=told,
            receipt=bool(view.receipt_sig and view.countersig),
        )


def waiting(view: ApprovalView) -> values.Waiting:
    """Return where an approval stands."""
    return values.Waiting(
        approval=view.id,
        state=view.state,
        until=when(view.until),
        why=f"{view.command} needs a human: {view.clause}",
        how=f"a person of this node allows it on their device: foedus approval allow {view.id} --as THEIR_NAME",
        reason=view.reason,
        event=view.event,
    )


def granted(view: GrantView) -> values.Grant:
    """Return a grant. Rooms and hosts by their ids: their names are others' words."""
    return values.Grant(
        grant=view.id,
        command=view.command,
        state=view.state,
        by=view.issuer.participant,
        rooms=view.rooms,
        domains=view.domains,
        capabilities=view.capabilities,
        hosts=view.hosts,
        uses_per_hour=view.uses_per_hour,
        after_foreign=view.after_foreign,
        one_act=view.one_act,
        expires="" if view.expires is None else when(view.expires * SECOND),
    )


def when(at: int) -> str:
    """Return an instant in ISO 8601; as its number where no calendar has it."""
    try:
        return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, OSError, ValueError):
        return str(at)
