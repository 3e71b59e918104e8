"""The substrate port: what a node answers from (docs/substrate.md).

Any memory system can stand behind a node by these four calls. It gets checked arguments, and whom it answers: what it
returns goes out as it is, so it must leave out what that reader may not see. A call that is not done by ``deadline`` is
cancelled; one that raises, or returns more than ``limit``, costs its own answer and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from foedus.base.clock import Hlc, Instant


class Reader(NamedTuple):
    """For whom a question is answered.

    ``node``: the node that asks (this one, where somebody asks here); ``did``: the participant, '' where the node asks
    itself. ``through``: the peer that brought the question, None where nobody had to. ``tier``: what this node gives
    the node that asks; of a node that is no peer, what it gives ``through``; '' for this node itself.
    ``may_see(stream, origin)``: whether what the node ``origin`` wrote in a stream may be shown to the reader.
    """

    node: bytes
    did: str
    through: bytes | None
    tier: str
    may_see: Callable[[str, bytes], bool]

    @property
    def is_here(self) -> bool:
        """Whether somebody asks at this very node."""
        return not self.tier


class Meaning(NamedTuple):
    """What is looked for, as a vector: little-endian float32 of length 1, made by the embedding ``model``."""

    model: str
    vector: bytes


class Wanted(NamedTuple):
    """Who reads, how many findings at most, and by when. ``meaning``: None where only words are known."""

    reader: Reader
    limit: int
    deadline: Instant
    meaning: Meaning | None = None


class Finding(NamedTuple):
    """One thing: its own id (32 bytes), its kind, a score in millionths, its clock, and a map of plain values.

    ``body`` holds text, integers, bytes, booleans, null, lists and maps: no floats. Encoded it has at most 16 KiB.
    """

    content: bytes
    kind: str
    score: int
    hlc: Hlc
    body: dict[str, Any]


class Findings(NamedTuple):
    """The best first. ``partial``: not all that is held was looked at. ``by_meaning``: the vector was compared."""

    items: Sequence[Finding]
    partial: bool = False
    by_meaning: bool = False


class Change(NamedTuple):
    """One event that became part of what is known here, or (``body`` None) is no longer.

    ``content``: the event's id; a change that comes twice is the same change.
    """

    content: bytes
    stream: str
    origin: bytes
    kind: str
    hlc: Hlc
    body: bytes | None


class Substrate(Protocol):
    """What a node knows."""

    async def search(self, text: str, wanted: Wanted) -> Findings:
        """Return what is most like ``text`` (1 to 1,024 characters), or means what ``wanted.meaning`` means.

        With a meaning the text may be ''. Who does not know its model answers by the text, as if there were none.
        """
        ...

    async def causal(self, event: bytes, wanted: Wanted) -> Findings:
        """Return what led to an event and what followed it, the nearest first; nothing where it is not held."""
        ...

    async def topology(self, wanted: Wanted) -> Findings:
        """Return who is connected with this node, as far as the reader may know."""
        ...

    async def apply(self, changes: Sequence[Change]) -> None:
        """Take what is new here, in the order of admission. Raising asks for the same changes again."""
        ...
