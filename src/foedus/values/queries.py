"""What was asked, and what came."""

from __future__ import annotations

from typing import Any

from foedus.values.node import View


class VectorView(View, frozen=True):
    """A text as the node's embedder has it. ``vector``: base64url of little-endian float32 numbers, of length 1."""

    model: str
    dimension: int
    vector: str


class FoundView(View, frozen=True):
    """One result, as its source signed it. ``signed`` and ``sig`` (base64url) prove it by the source's epoch.

    ``score``: millionths, comparable within one source's results; ``rank``: its place there, from 0. In ``body`` bytes
    are hex.
    """

    query: str
    node: str
    node_name: str
    node_known_as: str
    epoch: str
    rank: int
    content: str
    kind: str
    score: int
    hlc: list[int]
    body: dict[str, Any]
    signed: str
    sig: str
    via: str = ""
    """The peer that brought it first, itself where it is the source; '': this node found it."""
    via_name: str = ""
    via_known_as: str = ""


class MergedView(View, frozen=True):
    """One thing that was found, by one node or several. ``fused``: what its ranks in their lists add up to."""

    content: str
    kind: str
    fused: int
    score: int
    hlc: list[int]
    body: dict[str, Any]
    sources: list[FoundView]


class NodeReport(View, frozen=True):
    """How one node did with a question; ``node`` '': ``results`` nodes that were not named to us.

    ``outcome``: ``answered``, ``partial`` (not all that it holds was looked at, or sent), ``refused`` (``code`` says
    why; of an answer ``by_words``: the question's vector could not be compared), ``failed``, ``late`` (it had begun),
    ``silent``, ``lost`` (its link ended), ``unreachable``, ``not_asked`` (there were too many), or ``seen`` (the
    question had come there another way).
    """

    node: str
    node_name: str
    node_known_as: str
    outcome: str
    code: str
    results: int


class AnswersView(View, frozen=True):
    """Everything that came by the deadline: the best first, and how each node did.

    ``dropped``: results that were not taken, by reason.
    """

    query: str
    results: list[MergedView]
    nodes: list[NodeReport]
    dropped: dict[str, int]
    took_us: int
