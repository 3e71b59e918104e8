"""What surfaces may ask of a running node about knowledge and tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from foedus.node.knowledge_forms import Form
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

SEARCH_MAX = 100
"""Finds of one question: more than anybody reads, and than a federated answer carries."""
LIST_MAX = 200
"""Packets or tasks in one page: each is folded from the log as it is shown."""


class KnowledgeService(Protocol):
    """Knowledge and tasks: a part of ``api.NodeService``."""

    async def knowledge_tell(self, forms: Sequence[Form]) -> list[KnowledgePlaced]:
        """Order acts for a custodial agent, or of the node itself, all or none."""
        ...

    async def knowledge_propose(self, form: Form) -> ApprovalView:
        """Ask a human to let an agent with a key of its own tell exactly this."""
        ...

    async def knowledge_signed(self, domain: str, acts: Sequence[SignedAct]) -> list[KnowledgePlaced]:
        """Order acts that a device signed, all or none."""
        ...

    async def knowledge_search(self, text: str, *, domain: str = "", limit: int = 20) -> list[PacketView]:
        """Return the packets that hold words of ``text``, the best first."""
        ...

    async def knowledge_page(self, *, domain: str = "", after: str = "", limit: int = 50) -> PacketsPage:
        """Return packets in the order in which they came here."""
        ...

    async def knowledge_show(self, packet: str) -> PacketView:
        """Return a packet by its id or its first digits."""
        ...

    async def knowledge_history(self, packet: str) -> HistoryView:
        """Return what was told about a packet."""
        ...

    async def knowledge_envelope(self, packet: str) -> EnvelopeView:
        """Return the event by which a packet stands; of one that is passed on that of its source."""
        ...

    async def tasks(self, *, domain: str = "", state: str = "", after: str = "", limit: int = 50) -> TasksPage:
        """Return tasks, of one state where it is named."""
        ...

    async def task(self, task: str) -> TaskView:
        """Return a task by its id or its first digits."""
        ...
