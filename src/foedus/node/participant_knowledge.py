"""Knowledge as one participant may use it: it reads what its node shows, and tells in its own name alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from foedus.node.codec import draft_of
from foedus.node.knowledge_acts import stream_of
from foedus.node.knowledge_forms import Form
from foedus.node.not_yourself import NotYourself
from foedus.values.consent import ApprovalView
from foedus.values.knowledge import (
    EnvelopeView,
    HistoryView,
    KnowledgePlaced,
    PacketsPage,
    PacketView,
    TasksPage,
    TaskView,
)
from foedus.values.node import SignedAct

if TYPE_CHECKING:
    from foedus.node.composition import Node
    from foedus.node.tokens import Holder


class ParticipantKnowledge:
    """A part of ``ParticipantService``."""

    _node: Node
    _service: Any
    _holder: Holder

    if TYPE_CHECKING:

        def _refuse_other(self, did: str) -> None: ...

    async def knowledge_tell(self, forms: Sequence[Form]) -> list[KnowledgePlaced]:
        """Tell something as itself: a custodial agent. '' is itself here, never the node."""
        for form in forms:
            self._refuse_other(form.as_ or self._holder.did)
        own = [replace(form, as_=self._holder.did) for form in forms]
        placed: list[KnowledgePlaced] = await self._service.knowledge_tell(own)
        return placed

    async def knowledge_propose(self, form: Form) -> ApprovalView:
        """Ask a human to let it tell this."""
        self._refuse_other(form.as_ or self._holder.did)
        asked: ApprovalView = await self._service.knowledge_propose(replace(form, as_=self._holder.did))
        return asked

    async def knowledge_signed(self, domain: str, acts: Sequence[SignedAct]) -> list[KnowledgePlaced]:
        """Tell something as itself, signed by its device."""
        if any(draft_of(stream_of(domain), act).act.author != self._holder.did for act in acts):
            raise NotYourself("the act is another participant's")
        placed: list[KnowledgePlaced] = await self._service.knowledge_signed(domain, acts)
        return placed

    async def knowledge_search(self, text: str, *, domain: str = "", limit: int = 20) -> list[PacketView]:
        """Return the packets that hold words of ``text``."""
        found: list[PacketView] = await self._service.knowledge_search(text, domain=domain, limit=limit)
        await self._note_nodes(view.who.node for view in found)
        return found

    async def knowledge_page(self, *, domain: str = "", after: str = "", limit: int = 50) -> PacketsPage:
        """Return packets in the order in which they came here."""
        page: PacketsPage = await self._service.knowledge_page(domain=domain, after=after, limit=limit)
        await self._note_nodes(view.who.node for view in page.packets)
        return page

    async def knowledge_show(self, packet: str) -> PacketView:
        """Return a packet."""
        view: PacketView = await self._service.knowledge_show(packet)
        await self._note_nodes([view.who.node])
        return view

    async def knowledge_history(self, packet: str) -> HistoryView:
        """Return what was told about a packet."""
        view: HistoryView = await self._service.knowledge_history(packet)
        await self._note_nodes(told.who.node for told in view.told)
        return view

    async def knowledge_envelope(self, packet: str) -> EnvelopeView:
        """Return the event by which a packet stands."""
        view: EnvelopeView = await self._service.knowledge_envelope(packet)
        await self._note_nodes([view.node])
        return view

    async def tasks(self, *, domain: str = "", state: str = "", after: str = "", limit: int = 50) -> TasksPage:
        """Return tasks."""
        page: TasksPage = await self._service.tasks(domain=domain, state=state, after=after, limit=limit)
        await self._note_nodes(node for view in page.tasks for node in _nodes_of(view))
        return page

    async def task(self, task: str) -> TaskView:
        """Return a task."""
        view: TaskView = await self._service.task(task)
        await self._note_nodes(_nodes_of(view))
        return view

    async def _note_nodes(self, nodes: Iterable[str]) -> None:
        """Remember, before it is shown, that an agent reads what was written at another node."""
        if self._holder.kind == "agent" and any(node != self._node.store.node.hex() for node in nodes):
            await self._node.consent.note_read(self._holder.did)


def _nodes_of(view: TaskView) -> list[str]:
    return [view.who.node, *([view.holder.node] if view.holder is not None else [])]
