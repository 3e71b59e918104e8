"""Keeps the vectors of packets behind the index of their words, and makes vectors of questions.

An embedder is the world's: it may be away, slow, or answer nonsense. Packets are found by their words meanwhile, a
text for which no vector comes is passed over for a while, and nothing of this holds up the index or a search.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence

from foedus.base.errors import FoedusError, Unavailable, UsageError
from foedus.base.limits import BACKOFF_FIRST, BACKOFF_MAX, SECOND
from foedus.base.vectors import dimension_of
from foedus.log.port import Row
from foedus.node.store import Store
from foedus.query.port import Meaning
from foedus.state.knowledge.embedding import (
    EMBEDDED_CHARACTERS,
    BadEmbedding,
    Embedder,
    checked,
    text_of,
)
from foedus.state.knowledge.packets import content_of
from foedus.state.knowledge.port import Awaiting, Held, Hit, KnowledgeVectors
from foedus.state.knowledge.told import Told

log = logging.getLogger("foedus.knowledge")

NEAREST_MAX = 200
"""Nearest packets that are looked up for one question: twice what one answer holds."""
QUESTION_WAIT_S = 2.0
"""How long a search waits for the vector of its question; then it is answered by words alone."""
QUESTIONS_MAX = 8
"""Questions that wait for a vector at one time: more are answered by words alone, so that no queue forms."""
REFUSED_MAX = 4_096
"""Packets that got no usable vector and are remembered, so that they are not asked for at once again."""
REFUSED_AGAIN_S = BACKOFF_MAX / SECOND
_PERCENT = 10_000
_STEP_S = 0.02


class NoEmbedder(UsageError):
    """No vectors are made here."""

    code = "no_embedder"
    http_status = 409
    remedy = "name an embedder under [knowledge] in foedus.toml, send the vector with the question, or ask by words"


class NoVector(Unavailable):
    """The embedder gives no vector now."""

    code = "no_vector"
    remedy = "see `foedus status`; ask by words meanwhile"


class KnowledgeEmbedding:
    """Vectors by one embedder, which ``open_embedder`` gives; with None there are none. ``run`` is its task.

    ``told``: what a stored event tells, None where it counts for nothing. ``least_percent``: of similarity, for a find.
    """

    def __init__(
        self,
        store: Store,
        vectors: KnowledgeVectors,
        told: Callable[[Row], Told | None],
        open_embedder: Callable[[], Embedder | None],
        least_percent: int,
    ) -> None:
        self.trouble: FoedusError | None = None
        """Why packets get no vectors now."""
        self.failures: Counter[str] = Counter()
        """Answers that were none, by code."""
        self.on_made: Callable[[], None] = lambda: None
        """Every packet that could get a vector has one; or there is no embedder."""
        self.first_pause_s = BACKOFF_FIRST / SECOND
        self._store = store
        self._vectors = vectors
        self._told = told
        self._open = open_embedder
        self._embedder: Embedder | None = None
        self._least = least_percent * _PERCENT
        self._refused: dict[bytes, None] = {}
        self._asking = 0
        self._wake = asyncio.Event()
        self._changed = asyncio.Event()
        """Set where another embedder is to be opened."""

    @property
    def model(self) -> str:
        """The model in use, '' where there is none."""
        return self._embedder.model if self._embedder is not None else ""

    @property
    def refused(self) -> int:
        """How many packets got no usable vector."""
        return len(self._refused)

    @property
    def dimension(self) -> int:
        """Of the vectors that are held, 0 where none is."""
        return self._vectors.dimension

    def vectors_of(self, packets: Sequence[bytes]) -> list[bytes]:
        """Return the vectors of packets, as far as they have one. Blocks."""
        return self._vectors.of(packets)

    def held(self) -> Held:
        """Count vectors, and packets that wait for one."""
        return self._vectors.held()

    def wake(self) -> None:
        """Look again: the index of words has grown."""
        self._wake.set()

    # --- questions ---------------------------------------------------------------------------

    async def nearest(self, text: str, domain: str) -> list[Hit]:
        """Return the packets nearest to a question; none where its vector cannot be had now. Raises Unavailable."""
        if self._embedder is None or self.trouble is not None or self._asking >= QUESTIONS_MAX:
            return []
        self._asking += 1
        try:
            vector = await self._question(self._embedder, text)
        except (FoedusError, TimeoutError) as error:
            self.failures[_code(error)] += 1
            return []
        finally:
            self._asking -= 1
        return await self.near(vector, domain)

    async def near(self, vector: bytes, domain: str) -> list[Hit]:
        """Return the packets nearest to a vector of the model in use."""
        hits = await asyncio.to_thread(self._vectors.nearest, vector, domain, NEAREST_MAX)
        return [hit for hit in hits if hit.score >= self._least]

    def knows(self, meaning: Meaning) -> bool:
        """Whether a vector can be compared with those held here: one model made them."""
        held = self._vectors.dimension
        return self.model == meaning.model and (not held or held == dimension_of(meaning.vector))

    async def meaning_of(self, text: str) -> Meaning:
        """Return a text as a vector to ask others by; raise NoEmbedder or NoVector."""
        if self._embedder is None:
            raise NoEmbedder("this node has no embedder") if self.trouble is None else _no_vector(self.trouble)
        if self._asking >= QUESTIONS_MAX:
            raise NoVector("too many texts wait for a vector already", code="busy", http_status=429)
        self._asking += 1
        try:
            return Meaning(self._embedder.model, await self._question(self._embedder, text))
        except (FoedusError, TimeoutError) as error:
            self.failures[_code(error)] += 1
            raise _no_vector(error) from None
        finally:
            self._asking -= 1

    async def _question(self, embedder: Embedder, text: str) -> bytes:
        async with asyncio.timeout(QUESTION_WAIT_S):
            (vector,) = checked(await embedder.embed([text[:EMBEDDED_CHARACTERS]]), self._vectors.dimension)
        return vector

    # --- the task ----------------------------------------------------------------------------

    async def run(self) -> None:
        """Make vectors until cancelled."""
        pause_s = self.first_pause_s
        while True:
            try:
                await self._open_wanted()
                if self._embedder is not None:
                    await self._follow(self._embedder)
                self.on_made()
                self.trouble, pause_s = None, self.first_pause_s
            except FoedusError as error:
                if self.trouble is None:
                    log.warning("packets get no vectors: %s", error)
                self.trouble = error
                self.failures[error.code] += 1
                await self._pause(pause_s)
                pause_s = min(2 * pause_s, BACKOFF_MAX / SECOND)
                continue
            await self._rest()

    def change(self, open_embedder: Callable[[], Embedder | None], least_percent: int) -> None:
        """Take another embedder from now on."""
        self._open, self._least = open_embedder, least_percent * _PERCENT
        self._changed.set()
        self._wake.set()

    async def _open_wanted(self) -> None:
        """Open the embedder that is wanted, if another one was until now or none."""
        if self._changed.is_set():
            self._changed.clear()
            before, self._embedder = self._embedder, None
            self.trouble = None
            self._refused.clear()
            while self._asking:  # noqa: ASYNC110  # questions to the one before: they end within QUESTION_WAIT_S
                await asyncio.sleep(_STEP_S)
            if before is not None:
                await before.close()
        if self._embedder is None and (embedder := self._open()) is not None:
            await asyncio.to_thread(self._vectors.use, embedder.name, embedder.dimension)
            self._embedder = embedder

    async def _pause(self, pause_s: float) -> None:
        """Wait before the next try, no longer than until another embedder is wanted."""
        try:
            async with asyncio.timeout(pause_s):
                await self._changed.wait()
        except TimeoutError:
            pass

    async def _rest(self) -> None:
        """Wait until there is more to read; for what was refused, no longer than a while."""
        if self._embedder is None:
            await self._changed.wait()
            return
        try:
            async with asyncio.timeout(REFUSED_AGAIN_S if self._refused else None):
                await self._wake.wait()
        except TimeoutError:
            self._refused.clear()
        self._wake.clear()

    async def _follow(self, embedder: Embedder) -> None:
        """Make a vector of every packet that waits for one."""
        after = 0
        while page := await asyncio.to_thread(self._vectors.awaiting, after, embedder.batch):
            if self._changed.is_set():
                return
            after = page[-1].number
            texts = await asyncio.to_thread(self._texts, [each for each in page if each.event not in self._refused])
            if texts:
                await asyncio.to_thread(self._vectors.put, await self._embed(embedder, texts))
                self.trouble = None

    def _texts(self, packets: Sequence[Awaiting]) -> list[tuple[Awaiting, str]]:
        rows = self._store.log.by_ids([packet.event for packet in packets])
        told = ((packet, self._told(rows[packet.event])) for packet in packets if packet.event in rows)
        contents = ((packet, content_of(one)) for packet, one in told if one is not None)
        return [(packet, text_of(content)) for packet, content in contents if content is not None]

    async def _embed(self, embedder: Embedder, texts: Sequence[tuple[Awaiting, str]]) -> list[tuple[Awaiting, bytes]]:
        """Return vectors; where an answer is bad, ask for each alone, so that one text spoils no other's.

        Raises BadEmbedding where none of several is good: then it is the embedder.
        """
        try:
            return await self._made(embedder, texts)
        except BadEmbedding as error:
            self.failures[error.code] += 1
            if len(texts) == 1:
                self._refuse(texts[0][0])
                return []
        made: list[tuple[Awaiting, bytes]] = []
        bad: list[tuple[Awaiting, BadEmbedding]] = []
        for each in texts:
            try:
                made += await self._made(embedder, [each])
            except BadEmbedding as error:
                bad.append((each[0], error))
        if not made:
            raise bad[0][1]
        for packet, _ in bad:
            self._refuse(packet)
        return made

    async def _made(self, embedder: Embedder, texts: Sequence[tuple[Awaiting, str]]) -> list[tuple[Awaiting, bytes]]:
        vectors = checked(await embedder.embed([text for _, text in texts]), self._vectors.dimension)
        return list(zip((packet for packet, _ in texts), vectors, strict=True))

    def _refuse(self, packet: Awaiting) -> None:
        if len(self._refused) >= REFUSED_MAX:
            self._refused.clear()
        self._refused[packet.event] = None
        log.warning("packet %s got no usable vector", packet.subject.hex())

    async def close(self) -> None:
        """Release the embedder."""
        if self._embedder is not None:
            await self._embedder.close()


def _code(error: Exception) -> str:
    return error.code if isinstance(error, FoedusError) else "timeout"


def _no_vector(error: Exception) -> NoVector:
    return NoVector(f"the embedder gives no vector now: {_code(error)}: {error}")
