"""Questions as one participant may ask them: a part of ``participant_service``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from msgspec.structs import replace

from foedus.base.base64url import from_base64url
from foedus.node.not_yourself import NotYourself
from foedus.node.query_forms import Asked, AskedSigned
from foedus.node.tokens import Holder
from foedus.query.question import parse_question
from foedus.values.consent import ApprovalView
from foedus.values.queries import AnswersView, FoundView, VectorView


class ParticipantQueries:
    """A participant asks for itself alone."""

    _service: Any
    _holder: Holder

    async def ask(self, asked: Asked | AskedSigned) -> AsyncIterator[FoundView | AnswersView]:
        """Ask, as itself."""
        coming: AsyncIterator[FoundView | AnswersView] = await self._service.ask(self._as_itself(asked))
        return coming

    async def answers(self, asked: Asked | AskedSigned) -> AnswersView:
        """Ask, as itself, and return everything at the end."""
        found: AnswersView = await self._service.answers(self._as_itself(asked))
        return found

    async def vector(self, text: str) -> VectorView:
        """Return a text as the node's embedder has it."""
        made: VectorView = await self._service.vector(text)
        return made

    async def query_propose(self, asked: Asked) -> ApprovalView:
        """Ask a human to let it ask this."""
        proposed: ApprovalView = await self._service.query_propose(self._as_itself(asked))
        return proposed

    def _as_itself(self, asked: Asked | AskedSigned) -> Asked | AskedSigned:
        if isinstance(asked, Asked):
            if asked.as_ not in {"", self._holder.did}:
                raise NotYourself("this token is another participant's")
            return replace(asked, as_=self._holder.did)
        if parse_question(from_base64url(asked.question, "question")).asker != self._holder.did:
            raise NotYourself("the question is another participant's")
        return asked
