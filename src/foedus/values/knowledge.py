"""Knowledge and tasks."""

from __future__ import annotations

from typing import Literal

from msgspec import field

from foedus.values.node import View


class DataView(View, frozen=True):
    """What is no prose; ``data`` is unpadded base64url."""

    media_type: str
    data: str


class WhoView(View, frozen=True):
    """Who told something, and where. Names are claims where ``known_as`` is ''."""

    author: str
    author_name: str
    author_known_as: str
    author_kind: Literal["human", "agent", "node", "unknown"]
    node: str
    node_name: str
    node_known_as: str


class SourceView(View, frozen=True):
    """The event that a packet passes on. ``proved``: whether its signatures hold; unknown where a key is not held."""

    event: str
    domain: str
    author: str
    node: str
    at: int
    proved: Literal["proved", "unknown", "forged"]


class PacketView(View, frozen=True):
    """A packet as it stands. ``state`` other than ``current``: nothing of what it said is shown.

    ``confidence`` in millionths; ``revision``: how often it was revised; ``event``: by which act it stands so;
    ``missing``: what of ``dependencies`` is not held or not shown here. ``score``: of a search, in millionths.
    """

    id: str
    domain: str
    state: Literal["current", "retracted", "erased"]
    who: WhoView
    at: int
    type: str = ""
    title: str = ""
    content: str = ""
    data: DataView | None = None
    confidence: int = 0
    tags: list[str] = field(default_factory=list)
    dependencies: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    revision: int = 0
    event: str = ""
    reason: str = ""
    source: SourceView | None = None
    score: int | None = None


class ToldView(View, frozen=True):
    """One act about a packet. ``says``: a title, or a reason; '' where it is erased."""

    event: str
    kind: str
    at: int
    hlc: list[int]
    who: WhoView
    says: str


class HistoryView(View, frozen=True):
    """What was told about a packet, in order, and all that it stands on, nearest first.

    ``is_whole``: its ground was walked to the end; ``missing``: what of it is not held or not shown here.
    """

    packet: str
    told: list[ToldView]
    ground: list[str]
    missing: list[str]
    is_whole: bool


class PacketsPage(View, frozen=True):
    """Packets in the order in which they came here; ``cursor``: go on after it, '' where there are no more."""

    packets: list[PacketView]
    cursor: str


class TaskView(View, frozen=True):
    """A task as it stands. ``until``: when the claim lapses (0: nobody holds it); ``done`` in millionths."""

    id: str
    domain: str
    state: Literal["offered", "claimed", "done", "cancelled"]
    title: str
    content: str
    tags: list[str]
    dependencies: list[str]
    lease: int
    who: WhoView
    at: int
    holder: WhoView | None
    until: int
    done: int
    note: str
    result: str
    packets: list[str]


class TasksPage(View, frozen=True):
    """Tasks in the order in which they came here."""

    tasks: list[TaskView]
    cursor: str


class KeptFrom(View, frozen=True):
    """A connected peer that gets the act but shows it to nobody, and by which clause, as far as this node can tell."""

    node: str
    name: str
    clause: str


class KnowledgePlaced(View, frozen=True):
    """Where an act was ordered. It is durable; ``kept_from``: peers at which it does not count."""

    id: str
    stream: str
    seq: int
    hlc: list[int]
    kept_from: list[KeptFrom]
    approval: str = ""
    """What waits for a person instead, where it needs one's yes; nothing is ordered then."""


class EnvelopeView(View, frozen=True):
    """An event as it travels, with its body, in unpadded base64url; ``node``: where it was written."""

    event: str
    node: str
    envelope: str
