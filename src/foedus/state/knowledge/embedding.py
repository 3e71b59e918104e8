"""Packets by what they mean: the port of what makes a text a vector, and what of its answers is taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from foedus.base.errors import Unavailable
from foedus.base.vectors import DIMENSION_MAX, BadVector, dimension_of, unit
from foedus.log.knowledge import KnowledgePublish

EMBEDDED_CHARACTERS = 4_000
"""Of a packet, title, tags and text: some 1,000 words of a model, which is more than most look at."""


class BadEmbedding(Unavailable):
    """What the embedder gave is no vector for each text: none of it is taken."""

    code = "bad_embedding"
    remedy = "look at what [knowledge] in foedus.toml names; packets are found by their words meanwhile"


class Embedder(Protocol):
    """Makes vectors of texts."""

    @property
    def name(self) -> str:
        """What makes the vectors: those of one name can be compared with each other, and with no others."""
        ...

    @property
    def model(self) -> str:
        """The model: vectors that other nodes made by one of this name can be compared with these."""
        ...

    @property
    def dimension(self) -> int:
        """Of its vectors; 0: as many as the first has."""
        ...

    @property
    def batch(self) -> int:
        """How many texts it takes at a time."""
        ...

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        """Return a vector for each text; raise BadEmbedding, or Unavailable where it does not answer."""
        ...

    async def close(self) -> None:
        """Release what it holds."""
        ...


def text_of(content: KnowledgePublish) -> str:
    """Return what of a packet is made a vector."""
    return "\n".join((content.title, " ".join(content.tags), content.content))[:EMBEDDED_CHARACTERS]


def vectors_of(found: Sequence[Sequence[float]], count: int, dimension: int) -> list[bytes]:
    """Return what an embedder gave for ``count`` texts as vectors of ``dimension`` (0: any); raise BadEmbedding."""
    if len(found) != count:
        raise BadEmbedding(f"{len(found)} vectors for {count} texts")
    try:
        return checked([unit(numbers) for numbers in found], dimension)
    except BadVector as error:
        raise BadEmbedding(str(error)) from None


def checked(vectors: Sequence[bytes], dimension: int) -> list[bytes]:
    """Return vectors that are of one dimension, this one if it is not 0; raise BadEmbedding."""
    sizes = sorted({dimension_of(vector) for vector in vectors})
    wanted = [dimension] if dimension else sizes[:1]
    if sizes != wanted or sizes[0] > DIMENSION_MAX:
        raise BadEmbedding(f"vectors of {', '.join(map(str, sizes))} numbers, not {dimension or 'of one size'}")
    return list(vectors)
