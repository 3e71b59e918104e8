"""What surfaces may ask of a running node about questions: a part of ``api.NodeService``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from foedus.node.query_forms import Asked, AskedSigned
from foedus.values.consent import ApprovalView
from foedus.values.queries import AnswersView, FoundView, VectorView


class QueryService(Protocol):
    """Questions, asked here and at other nodes."""

    async def ask(self, asked: Asked | AskedSigned) -> AsyncIterator[FoundView | AnswersView]:
        """Ask, and return what comes: results as they come, and at the end, by the deadline, all of them merged."""
        ...

    async def answers(self, asked: Asked | AskedSigned) -> AnswersView:
        """Ask, and return everything at the end."""
        ...

    async def vector(self, text: str) -> VectorView:
        """Return a text as the vector of a question by meaning, for a device to sign."""
        ...

    async def query_propose(self, asked: Asked) -> ApprovalView:
        """Ask a human to let an agent ask other nodes exactly this."""
        ...
