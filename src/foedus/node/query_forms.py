"""What surfaces ask of the federation."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from foedus.query.question import Scope


class Asked(Struct, frozen=True, kw_only=True):
    """What is asked. ``as_``: a participant of this node, '' the node itself. ``wait_ms``: until the deadline.

    ``kind``: ``text`` with ``text``, ``semantic`` with ``text`` or a vector, ``causal`` with ``event`` (an id in hex),
    ``topology``, or ``capability`` with ``text`` ("" for all). ``vector``: little-endian float32 numbers that ``model``
    made; b"": the node's embedder makes it of the text.
    """

    kind: Literal["text", "semantic", "causal", "topology", "capability"]
    text: str = ""
    vector: bytes = b""
    model: str = ""
    event: str = ""
    scope: Scope = "direct"
    hops: int | None = None
    results: int = 20
    wait_ms: int = 5_000
    as_: str = ""


class AskedSigned(Struct, frozen=True, kw_only=True):
    """A question that a device made and signed: unpadded base64url of its canonical bytes, and of the signature."""

    question: str
    asig: str
