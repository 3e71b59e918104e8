"""The embedder that [knowledge] in foedus.toml names."""

from __future__ import annotations

from foedus.adapters.embedding_http import HttpEmbedder
from foedus.adapters.embedding_local import LocalEmbedder
from foedus.adapters.key_files import read_private
from foedus.adapters.vector_indexes import load
from foedus.base.errors import UsageError
from foedus.node.home import Home
from foedus.state.knowledge.embedding import Embedder
from foedus.trust.policy import EmbedderKind, KnowledgePolicy


def open_embedder(home: Home, policy: KnowledgePolicy) -> Embedder | None:
    """Return the embedder, None where none is wanted; raise UsageError or Unavailable."""
    if policy.embedder is EmbedderKind.NONE:
        return None
    load("numpy", "vectors")
    if policy.embedder is EmbedderKind.LOCAL:
        return LocalEmbedder()
    if not policy.url or not policy.model:
        remedy = 'give url and model under [knowledge], or embedder = "none"'
        raise UsageError("the embedder of [knowledge] has no url or no model", code="bad_embedder", remedy=remedy)
    key = read_private(home.path / policy.key_file).decode("ascii", "replace").strip() if policy.key_file else ""
    return HttpEmbedder(policy.url, policy.model, key, policy.dimension)
