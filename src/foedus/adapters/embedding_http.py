"""Vectors from an endpoint that answers as OpenAI's ``/v1/embeddings`` does: a service, or a model server at home."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TypeAlias
from urllib.parse import urlsplit

import aiohttp
import msgspec

from foedus.adapters.unreached import why
from foedus.base.errors import Unavailable, UsageError
from foedus.state.knowledge.embedding import BadEmbedding, vectors_of

TIMEOUT_S = 30.0
"""For one answer: a model on a slow processor takes some seconds for a batch."""
BATCH = 16
ANSWER_MAX = 4 * 1_048_576
"""Bytes of an answer: a batch of vectors of 4,096 numbers, written with 20 digits each, has a third of it."""
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_OK = 200


class EmbedderUnreachable(Unavailable):
    """The endpoint does not answer, or refuses."""

    code = "embedder_unreachable"
    remedy = "see that the endpoint of [knowledge] in foedus.toml runs; packets are found by their words meanwhile"


class _Row(msgspec.Struct):
    embedding: list[float]
    index: int


class _Answer(msgspec.Struct):
    data: list[_Row]


_Decoder: TypeAlias = msgspec.json.Decoder[_Answer]


class HttpEmbedder:
    """``Embedder`` at a URL. ``key``: sent as a bearer token, '' for none; ``dimension`` 0: any."""

    batch = BATCH

    def __init__(self, url: str, model: str, key: str = "", dimension: int = 0, timeout_s: float = TIMEOUT_S) -> None:
        """Raise UsageError for a URL that is none, or by which strangers on the way would read the packets."""
        parts = urlsplit(url)
        is_private = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
        if not is_private or parts.username is not None or parts.password is not None:
            remedy = "give https://…, or http://127.0.0.1:… for a model server on this machine; a key goes to key_file"
            raise UsageError("packets must not go to the url of [knowledge]", code="bad_embedder", remedy=remedy)
        self.name = f"{url} {model}"
        self._url = url
        self.model = model
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.dimension = dimension
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None
        self._decoder: _Decoder = msgspec.json.Decoder(_Answer)

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        """Return a vector for each text."""
        body = msgspec.json.encode({"model": self.model, "input": list(texts), "encoding_format": "float"})
        rows = self._rows(await self._post(body))
        if sorted(row.index for row in rows) != list(range(len(texts))):
            raise BadEmbedding(f"{len(rows)} vectors for {len(texts)} texts, or not one for each")
        ordered = sorted(rows, key=lambda row: row.index)
        return vectors_of([row.embedding for row in ordered], len(texts), self.dimension)

    def _rows(self, answer: bytes) -> list[_Row]:
        try:
            return self._decoder.decode(answer).data
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadEmbedding(f"{self._url[:200]} answers what is not understood: {error}") from None

    async def _post(self, body: bytes) -> bytes:
        self._session = self._session or aiohttp.ClientSession()
        headers = {**self._headers, "Content-Type": "application/json"}
        try:
            async with self._session.post(
                self._url, data=body, headers=headers, timeout=self._timeout, allow_redirects=False
            ) as response:
                if response.status != _OK:
                    raise EmbedderUnreachable(f"{self._url[:200]} answers with status {response.status}")
                return await _bounded(response)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise EmbedderUnreachable(f"{self._url[:200]}: {why(error)}") from None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            await asyncio.sleep(0)


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    """Return the body; raise BadEmbedding once it is larger than any answer is."""
    found = bytearray()
    async for part in response.content.iter_any():
        found += part
        if len(found) > ANSWER_MAX:
            raise BadEmbedding(f"an answer of more than {ANSWER_MAX} bytes")
    return bytes(found)
