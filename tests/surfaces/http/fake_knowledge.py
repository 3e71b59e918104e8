"""Knowledge as the fake node has it: one packet and one task."""

from foedus.base.errors import NotFound, UsageError
from foedus.values.knowledge import EnvelopeView, HistoryView, KeptFrom, KnowledgePlaced, PacketsPage, TasksPage
from tests.surfaces.packets import PACKET, TASK, VIEW

PLACED = KnowledgePlaced(
    id=PACKET,
    stream="knowledge:lab",
    seq=1,
    hlc=[1, 0],
    kept_from=[KeptFrom(node="0b" * 32, name="bank", clause="grant.human_required")],
)


class FakeKnowledge:
    """Whatever it is told is placed."""

    async def knowledge_propose(self, form):
        self._note("knowledge_propose", form)
        raise UsageError("no node waits for a human's word", code="no_approval_needed", http_status=409)

    async def knowledge_tell(self, forms):
        return [PLACED for _ in forms]

    async def knowledge_signed(self, _domain, acts):
        return [PLACED for _ in acts]

    async def knowledge_search(self, _text, *, domain="", limit=20):  # noqa: ARG002  # NodeService
        return [VIEW][:limit]

    async def knowledge_page(self, *, domain="", after="", limit=50):  # noqa: ARG002  # NodeService
        return PacketsPage(packets=[VIEW], cursor="1")

    async def knowledge_show(self, packet):
        if packet != PACKET:
            raise NotFound("no such packet", code="unknown_packet")
        return VIEW

    async def knowledge_history(self, packet):
        await self.knowledge_show(packet)
        return HistoryView(packet=PACKET, told=[], ground=[], missing=[], is_whole=True)

    async def knowledge_envelope(self, packet):
        await self.knowledge_show(packet)
        return EnvelopeView(event=PACKET, node="0b" * 32, envelope="AA")

    async def tasks(self, *, domain="", state="", after="", limit=50):  # noqa: ARG002  # NodeService
        return TasksPage(tasks=[TASK], cursor="")

    async def task(self, task):
        if task != PACKET:
            raise NotFound("no such task", code="unknown_task")
        return TASK
