"""The own answer of this node to a question: the substrate is asked within limits, and what it finds is signed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from foedus.base.cbor import encode
from foedus.base.clock import Instant
from foedus.base.errors import FoedusError
from foedus.base.limits import SECOND
from foedus.node.log_substrate import LogSubstrate
from foedus.node.query_judging import Judge
from foedus.query.inquiry import Entry, Outcome, Report
from foedus.query.limits import BODY_BYTES_MAX
from foedus.query.port import Finding, Findings, Meaning, Reader, Substrate, Wanted
from foedus.query.question import (
    ABOUT,
    CapabilityAbout,
    CausalAbout,
    Question,
    SemanticAbout,
    TextAbout,
    TopologyAbout,
    about,
)
from foedus.query.result import SCORE_MAX, Result, encode_result, signing_bytes

if TYPE_CHECKING:
    from foedus.node.composition import Node

log = logging.getLogger("foedus.queries")

AT_ONCE_MAX = 8
"""Searches at one time: more only make each other late."""
BY_WORDS = "by_words"
"""Said of an answer to a question by meaning whose vector could not be compared: its text was looked for."""


class Answerer:
    """Asks ``substrate``: this node's log, or whatever is put in its place."""

    def __init__(self, node: Node, judge: Judge) -> None:
        self.substrate: Substrate = LogSubstrate(node, judge.tells_peers)
        self.offers: Callable[[str], Findings] = lambda _text: Findings(())
        """What is offered here; the node joins it."""
        self._node = node
        self._places = asyncio.Semaphore(AT_ONCE_MAX)

    async def answer(
        self, query: bytes, question: Question, reader: Reader, deadline: Instant
    ) -> tuple[list[Entry], Report]:
        """Return signed results, the best first, and how it went; at the deadline at the latest."""
        own = self._node.store.node
        if question.kind not in ABOUT:
            return [], Report(own, "refused", "unknown_kind")
        left_s = (deadline - self._node.store.now()) / SECOND
        try:
            async with asyncio.timeout(max(0.0, left_s)), self._places:
                found = await self._ask(question, Wanted(reader, question.results, deadline))
            return self._told(query, question, found)
        except TimeoutError:
            return [], Report(own, "late")
        except FoedusError as error:
            return [], Report(own, "failed", error.code[:64])
        except Exception:
            log.exception("the substrate failed")  # it may be anybody's program
            return [], Report(own, "failed", "internal")

    def _told(self, query: bytes, question: Question, found: Findings) -> tuple[list[Entry], Report]:
        own = self._node.store.node
        entries = [self._signed(query, rank, item) for rank, item in enumerate(found.items[: question.results])]
        is_by_words = question.kind == "semantic" and not found.by_meaning
        if is_by_words and not question.about["text"]:
            return [], Report(own, "refused", "other_model")
        outcome: Outcome = "partial" if found.partial else "answered"
        return entries, Report(own, outcome, BY_WORDS if is_by_words else "", len(entries))

    async def _ask(self, question: Question, wanted: Wanted) -> Findings:
        match about(question):
            case TextAbout(text=text):
                return await self.substrate.search(text, wanted)
            case SemanticAbout(text=text, model=model, vector=vector):
                return await self.substrate.search(text, wanted._replace(meaning=Meaning(model, vector)))
            case CausalAbout(event=event):
                return await self.substrate.causal(event, wanted)
            case CapabilityAbout(text=text):
                return self.offers(text)
            case TopologyAbout():
                return await self.substrate.topology(wanted)

    def _signed(self, query: bytes, rank: int, item: Finding) -> Entry:
        body = encode(item.body)
        if len(body) > BODY_BYTES_MAX:
            raise ValueError(f"the body of a finding has at most {BODY_BYTES_MAX} bytes")
        result = Result(
            v=1,
            query=query,
            node=self._node.store.node,
            epoch=self._node.store.epoch,
            rank=rank,
            content=item.content,
            kind=item.kind,
            score=max(0, min(item.score, SCORE_MAX)),
            hlc=item.hlc,
            body=body,
        )
        data = encode_result(result)
        return Entry(data, self._node.store.keys.ed25519.sign(signing_bytes(data)))
