"""Questions to this node, its peers, and those behind them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

from foedus.sdk.asking import Question, body_of
from foedus.sdk.errors import StreamLost
from foedus.sdk.operation import API, Action, Group, M, Sent, Stream, operation
from foedus.sdk.transport import Request, decode
from foedus.values.consent import ApprovalView
from foedus.values.queries import AnswersView, FoundView, VectorView

AFTER_S = 10.0
"""Seconds beyond a question's deadline that the node has to answer."""


class Queries(Group[M]):
    """Questions to the federation."""

    @Action
    async def ask(self, question: Question) -> AnswersView:
        """Return everything that came by the deadline, merged, and how each node did.

        The client's device signs, where it has one and ``as_`` names no other. Else the node asks: for an agent whose
        key it keeps, or as itself.
        """
        body = await body_of(self._client, question)
        return await self._client.queries.post(body, timeout_s=question.wait_s + AFTER_S)

    @Stream
    async def follow(self, question: Question) -> AsyncGenerator[FoundView | AnswersView, None]:
        """Yield each result as it comes, and at the end all of them merged."""
        body = await body_of(self._client, question)
        request = Request("POST", f"{API}/queries", body, question.wait_s + AFTER_S)
        async for message in self._client.transport.stream(request):
            if message.name == "answers":
                yield decode(message.data, AnswersView)
                return
            yield decode(message.data, FoundView)
        raise StreamLost("the stream of answers ended before all of them came", remedy="ask again")

    @operation("POST", "/queries")
    def post(self, question: Mapping[str, Any], *, timeout_s: float = 60.0 + AFTER_S) -> Sent[AnswersView]:
        """Ask a question as the API has it: {kind, …}, or {question, asig}."""
        return Sent(body=dict(question), timeout_s=timeout_s)

    @operation("POST", "/queries/vector")
    def vector(self, text: str) -> Sent[VectorView]:
        """Return a text as the node's embedder has it: what a device puts into a question of the kind ``semantic``."""
        return Sent(body={"text": text})

    @operation("POST", "/queries/approvals")
    def propose(self, question: Mapping[str, Any]) -> Sent[ApprovalView]:
        """Ask a human to let an agent (``as``) ask other nodes exactly this: {kind, …, as}."""
        return Sent(body=dict(question))
