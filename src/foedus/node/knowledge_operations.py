"""What surfaces may do with knowledge and tasks: a part of ``service``."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from foedus.base.base64url import to_base64url
from foedus.base.errors import UsageError
from foedus.base.ids import parse_id
from foedus.log.knowledge import KnowledgeRepublish
from foedus.node.codec import draft_of
from foedus.node.knowledge_acts import KnowledgeActs, stream_of
from foedus.node.knowledge_api import LIST_MAX
from foedus.node.knowledge_forms import Form
from foedus.node.knowledge_views import KnowledgeViews
from foedus.state.knowledge.packets import Packet
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
from foedus.values.node import SignedAct, Trouble

if TYPE_CHECKING:
    from foedus.node.approvals import Approval
    from foedus.node.composition import Node
    from foedus.node.views import Views

_DIGITS_MAX = 18
_SCANNED_MAX = 10 * LIST_MAX
"""Tasks looked at for one page, where most are of another state than was asked for."""


class KnowledgeOperations:
    """Operations on packets and tasks, for ``Service``."""

    _node: Node
    _views: Views

    if TYPE_CHECKING:

        def _approval_view(self, approval: Approval) -> ApprovalView: ...

    @property
    def _told(self) -> KnowledgeViews:
        return KnowledgeViews(self._node, self._views)

    @property
    def _acts(self) -> KnowledgeActs:
        return KnowledgeActs(self._node, self._views.node_name)

    # --- telling -----------------------------------------------------------------------------

    async def knowledge_tell(self, forms: Sequence[Form]) -> list[KnowledgePlaced]:
        """Order acts for a custodial agent, or of the node itself; the domain of each is that of what it is about."""
        drafts = []
        for form in forms:
            body = form.body()
            drafts.append(self._acts.draft(form, form.domain or await self._domain_of(body), body))
        return await self._acts.order(drafts)

    async def knowledge_propose(self, form: Form) -> ApprovalView:
        """Ask a human to let an agent with a key of its own tell exactly this; nobody is asked twice."""
        body = form.body()
        draft = self._acts.proposal(form, form.domain or await self._domain_of(body), body)
        crossings = list(self._acts.crossings(draft).values())
        return self._approval_view(await self._node.consent.propose(draft, crossings))

    async def _domain_of(self, body: Mapping[str, Any]) -> str:
        knowledge = self._node.knowledge
        await knowledge.indexer.caught_up()
        return knowledge.task(body["task"]).domain if "task" in body else knowledge.packet(body["packet"]).domain

    async def knowledge_signed(self, domain: str, acts: Sequence[SignedAct]) -> list[KnowledgePlaced]:
        """Order acts that a device signed, all or none."""
        drafts = [draft_of(stream_of(domain), act) for act in acts]
        for draft in drafts:
            self._acts.check(draft.act.kind, draft.body)
        return await self._acts.order(drafts)

    def _knowledge_troubles(self) -> list[Trouble]:
        """Return why the index does not grow."""
        trouble = self._node.knowledge.indexer.trouble
        remedy = f"stop the node, delete {self._node.home.knowledge}, and start: it is made from the log again"
        told = Trouble(code="knowledge", message=f"new knowledge is not found: {trouble}", remedy=remedy)
        return [*([told] if trouble else []), *self._embedding_troubles()]

    def _embedding_troubles(self) -> list[Trouble]:
        """Return why packets are not found by what they mean."""
        embedding = self._node.embedding
        if (error := embedding.trouble) is not None:
            message = f"knowledge is found by words alone: {error.code}: {error}"
            return [Trouble(code="embedder", message=message, remedy=error.remedy)]
        if not embedding.refused:
            return []
        message = f"{embedding.refused} packets are found by words alone: the embedder gave no usable vector"
        return [Trouble(code="embedding", message=message, remedy="see the node's log for which; it is tried again")]

    # --- packets -----------------------------------------------------------------------------

    async def knowledge_search(self, text: str, *, domain: str = "", limit: int = 20) -> list[PacketView]:
        """Return the packets that hold words of ``text``, the best first."""
        found = await self._node.knowledge.search(text, limit, domain=domain)
        return [self._told.packet(ranked.packet, ranked.score) for ranked in found]

    async def knowledge_page(self, *, domain: str = "", after: str = "", limit: int = 50) -> PacketsPage:
        """Return packets in the order in which they came here."""
        await self._node.knowledge.indexer.caught_up()
        limit, last, packets = min(limit, LIST_MAX), _place(after), []
        for place, packet in self._node.knowledge.packets(domain, last, limit):
            packets.append(self._told.packet(packet))
            last = place
            await asyncio.sleep(0)
        more = next(self._node.knowledge.packets(domain, last, 1), None)
        return PacketsPage(packets=packets, cursor=str(last) if more is not None else "")

    async def knowledge_show(self, packet: str) -> PacketView:
        """Return a packet; what it stands on and is not here is asked for again."""
        view = self._told.packet(await self._packet(packet))
        self._node.knowledge.indexer.ask_for([parse_id(event) for event in view.missing])
        return view

    async def knowledge_history(self, packet: str) -> HistoryView:
        """Return what was told about a packet."""
        found = await self._packet(packet)
        ground = await self._node.knowledge.ground(found)
        told = [*found.told, *([found.retracted] if found.retracted is not None else [])]
        return HistoryView(
            packet=found.id.hex(),
            told=[self._told.told(one) for one in told],
            ground=[event.hex() for event in ground.found],
            missing=[event.hex() for event in ground.missing],
            is_whole=ground.is_whole,
        )

    async def knowledge_envelope(self, packet: str) -> EnvelopeView:
        """Return the event by which a packet stands; of one that is passed on that of its source."""
        found = await self._packet(packet)
        current = found.current
        if current is None:
            raise UsageError("nothing of this packet stands any more", code="no_content", http_status=409)
        if isinstance(current.body, KnowledgeRepublish):
            source, event = current.body.source, self._told.packet(found).source
            return EnvelopeView(
                event=event.event if event else "", node=event.node if event else "", envelope=to_base64url(source)
            )
        row = self._node.log.by_ids([current.id])[current.id]
        envelope = to_base64url(self._node.store.sendable(row))
        return EnvelopeView(event=current.id.hex(), node=current.node.hex(), envelope=envelope)

    async def _packet(self, wanted: str) -> Packet:
        knowledge = self._node.knowledge
        await knowledge.indexer.caught_up()
        return knowledge.packet(knowledge.find(wanted, "packet"))

    # --- tasks -------------------------------------------------------------------------------

    async def tasks(self, *, domain: str = "", state: str = "", after: str = "", limit: int = 50) -> TasksPage:
        """Return tasks in the order in which they came here, of one state where it is named."""
        await self._node.knowledge.indexer.caught_up()
        limit, last = min(limit, LIST_MAX), _place(after)
        tasks: list[TaskView] = []
        for place, task in self._node.knowledge.tasks(domain, last, _SCANNED_MAX):
            await asyncio.sleep(0)
            if len(tasks) == limit:
                return TasksPage(tasks=tasks, cursor=str(last))
            last = place
            tasks += [self._told.task(task)] if state in {"", task.state} else []
        more = next(self._node.knowledge.tasks(domain, last, 1), None)
        return TasksPage(tasks=tasks, cursor=str(last) if more is not None else "")

    async def task(self, task: str) -> TaskView:
        """Return a task."""
        knowledge = self._node.knowledge
        await knowledge.indexer.caught_up()
        return self._told.task(knowledge.task(knowledge.find(task, "task")))


def _place(cursor: str) -> int:
    if not cursor:
        return 0
    if not (cursor.isascii() and cursor.isdecimal()) or len(cursor) > _DIGITS_MAX:
        raise UsageError("that is not a cursor", code="bad_cursor", remedy="take it from an earlier answer")
    return int(cursor)
