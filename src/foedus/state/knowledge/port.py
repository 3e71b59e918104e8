"""The port of the index: what finds packets and tasks. All of it is derived from the log, and may be lost.

It holds which events speak of which packet or task, the words of each packet as it stands, and how far each chain was
read. It decides nothing: whoever asks looks every find up in the log again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from foedus.log.chains import ChainKey

TERMS_MAX = 32
"""Words of a question that are looked for: a long sentence; each costs a look through its list."""
TERM_MAX = 64
"""Characters of a word; what is longer is cut there, as no word is."""


class Mention(NamedTuple):
    """An event speaks of a packet or a task. ``subject`` None: its body is not here, so it is not known of which."""

    event: bytes
    subject: bytes | None


class Entry(NamedTuple):
    """A packet or task that was begun here.

    ``event``: by whose ``words`` (title, content, and type with tags) it is found; None where it is not to be found.
    """

    subject: bytes
    domain: str
    is_task: bool
    event: bytes | None
    words: tuple[str, str, str] = ("", "", "")


class Reached(NamedTuple):
    """Of a chain: the last event that was read."""

    seq: int
    id: bytes


class Change(NamedTuple):
    """What one step adds; all of it or nothing is stored."""

    mentions: Sequence[Mention] = ()
    entries: Sequence[Entry] = ()
    reached: Mapping[ChainKey, Reached] = {}


class Hit(NamedTuple):
    """A find. ``score`` in millionths: more is better; it compares finds of one question at one node alone."""

    subject: bytes
    event: bytes
    score: int


class Listed(NamedTuple):
    """A packet or task in the order in which it came here; ``number`` is the place, to go on from."""

    number: int
    subject: bytes


class Awaiting(NamedTuple):
    """A packet that has no vector yet. ``number``: its place in the index; ``event``: by whose words it stands."""

    number: int
    subject: bytes
    event: bytes


class Held(NamedTuple):
    """How many packets have a vector, and how many wait for one."""

    vectors: int
    awaiting: int


class KnowledgeVectors(Protocol):
    """The vectors of packets as they stand: derived as the words are, kept with them, gone with them.

    Methods block; any thread may call them. They raise Unavailable (the disk).
    """

    def use(self, embedder: str, dimension: int) -> None:
        """Bring the vectors of an embedder to memory; those of another, or of another dimension (0: any), go."""
        ...

    @property
    def dimension(self) -> int:
        """Of the vectors that are held, 0 where none is."""
        ...

    def held(self) -> Held:
        """Count."""
        ...

    def awaiting(self, after: int, limit: int) -> list[Awaiting]:
        """Return packets without a vector, whose number is beyond ``after``, by number."""
        ...

    def put(self, made: Sequence[tuple[Awaiting, bytes]]) -> None:
        """Store vectors, of those packets that still stand by the same words."""
        ...

    def of(self, subjects: Sequence[bytes]) -> list[bytes]:
        """Return the vectors of these packets, as far as they stand and have one."""
        ...

    def nearest(self, vector: bytes, domain: str, limit: int) -> list[Hit]:
        """Return the nearest packets; of the best ``limit`` those of a domain. ``score``: the cosine in millionths."""
        ...


class KnowledgeIndex(Protocol):
    """An index. Methods block; any thread may call them. They raise Unavailable (the disk), and nothing else."""

    @property
    def is_stale(self) -> bool:
        """Whether whoever used it last did not close it: it may have missed what changed in what it had read."""
        ...

    @property
    def vectors(self) -> KnowledgeVectors:
        """The vectors beside the words."""
        ...

    def reached(self) -> dict[ChainKey, Reached]:
        """Return how far each chain was read."""
        ...

    def apply(self, change: Change) -> None:
        """Store a step."""
        ...

    def mentions(self, subjects: Sequence[bytes]) -> dict[bytes, list[bytes]]:
        """Return the events that speak of these subjects."""
        ...

    def subjects_of(self, events: Sequence[bytes]) -> dict[bytes, bytes | None]:
        """Return of which subject these events speak; those that were not read are left out."""
        ...

    def bodiless(self) -> list[bytes]:
        """Return the events whose body was not here as they were read."""
        ...

    def listed(self, *, is_task: bool, domain: str, after: int, limit: int) -> list[Listed]:
        """Return subjects after a place; '' for all domains."""
        ...

    def between(self, low: bytes, high: bytes) -> list[bytes]:
        """Return the packets and tasks whose id is from ``low`` to ``high``: two of them, where there are more."""
        ...

    def search(self, terms: Sequence[str], domain: str, limit: int) -> list[Hit]:
        """Return the best ``limit`` packets (of a domain) that hold any of the words, the best first (BM25)."""
        ...

    def shares(self, terms: Sequence[str], subjects: Sequence[bytes]) -> dict[bytes, int]:
        """Return what part of the words each of these packets holds, in millionths; a rare word counts more."""
        ...

    def clear(self) -> None:
        """Forget everything: it is read from the log again."""
        ...

    def scrub(self) -> None:
        """Let nothing of what was taken out remain in the files."""
        ...

    def close(self, *, is_whole: bool) -> None:
        """Release the file. ``is_whole``: nothing was missed of what changed in what it had read."""
        ...


def terms_of(text: str) -> list[str]:
    """Return the words of a question, as they stand: that none of them is an operator is the adapter's part."""
    words = "".join(char if char.isprintable() else " " for char in text).split()
    return [word[:TERM_MAX] for word in words[:TERMS_MAX]]
