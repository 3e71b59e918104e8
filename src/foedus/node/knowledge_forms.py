"""What people and programs fill in to tell something: one form for each kind of act, in plain values.

The body that follows from a form is canonical: lists are sorted and hold nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from msgspec import Meta, Struct, field

from foedus.base.base64url import from_base64url
from foedus.base.ids import parse_id
from foedus.base.limits import BODY_MAX
from foedus.log.knowledge import (
    DEPENDENCIES_MAX,
    MILLION,
    TAGS_MAX,
    Content,
    Label,
    Millionths,
    Note,
    PacketType,
    Result,
    Title,
)

LEASE_S = 86_400
"""A claim holds for a day without a word, where the offer does not say."""
NAME_MAX = 128
HexId: TypeAlias = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Ids: TypeAlias = Annotated[list[HexId], Meta(max_length=DEPENDENCIES_MAX)]
Tags: TypeAlias = Annotated[list[Label], Meta(max_length=TAGS_MAX)]
Base64: TypeAlias = Annotated[
    str, Meta(max_length=BODY_MAX * 4 // 3 + 4, extra_json_schema={"pattern": "^[A-Za-z0-9_-]*$"})
]


class DataForm(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is no prose: ``data`` in unpadded base64url."""

    media_type: Annotated[str, Meta(pattern=r"^[a-z0-9.+-]+/[a-z0-9.+-]+$", max_length=64)]
    data: Base64


class _Form(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """``as_``: who says it, a custodial agent of this node; '' is the node itself, or the participant that asks."""

    as_: Annotated[str, Meta(max_length=NAME_MAX)] = field(default="", name="as")

    @property
    def kind(self) -> str:
        """The kind of act that it makes."""
        return str(self.__struct_config__.tag)


class _About(_Form, frozen=True):
    """What begins something names its domain; the rest is in that of what it is about."""

    domain: ClassVar[str] = ""


class PublishForm(_Form, frozen=True, tag="knowledge.publish"):
    """A new packet."""

    domain: Annotated[str, Meta(max_length=NAME_MAX)]
    title: Title
    type: PacketType = "note"
    content: Content = ""
    data: DataForm | None = None
    confidence: Millionths = MILLION
    tags: Tags = field(default_factory=list)
    dependencies: Ids = field(default_factory=list)

    def body(self) -> dict[str, Any]:
        """Return the body of the act."""
        return _content(self)


class ReviseForm(_About, frozen=True, tag="knowledge.revise"):
    """What a packet says from now on, whole."""

    packet: HexId
    title: Title
    type: PacketType = "note"
    content: Content = ""
    data: DataForm | None = None
    confidence: Millionths = MILLION
    tags: Tags = field(default_factory=list)
    dependencies: Ids = field(default_factory=list)

    def body(self) -> dict[str, Any]:
        """Return the body of the act."""
        return _content(self) | {"packet": parse_id(self.packet)}


class RetractForm(_About, frozen=True, tag="knowledge.retract"):
    """A packet no longer stands."""

    packet: HexId
    reason: Note = ""

    def body(self) -> dict[str, Any]:
        """Return the body of the act."""
        return {"packet": parse_id(self.packet), "reason": self.reason}


class RepublishForm(_Form, frozen=True, tag="knowledge.republish"):
    """A packet passed on in another domain. ``source``: the envelope of its event as the API shows it (base64url)."""

    domain: Annotated[str, Meta(max_length=NAME_MAX)]
    source: Base64

    def body(self) -> dict[str, Any]:
        """Return the body of the act."""
        return {"source": from_base64url(self.source, "source")}


class OfferForm(_Form, frozen=True, tag="task.offer"):
    """A new task. ``lease``: seconds that a claim holds without a word of progress."""

    domain: Annotated[str, Meta(max_length=NAME_MAX)]
    title: Title
    content: Result = ""
    tags: Tags = field(default_factory=list)
    dependencies: Ids = field(default_factory=list)
    lease: Annotated[int, Meta(ge=1, le=30 * 86_400)] = LEASE_S

    def body(self) -> dict[str, Any]:
        """Return the body of the act."""
        return {
            "title": self.title,
            "content": self.content,
            "tags": sorted(set(self.tags)),
            "dependencies": _ids(self.dependencies),
            "lease": self.lease,
        }


class ClaimForm(_About, frozen=True, tag="task.claim"):
    """The author will do a task."""

    task: HexId

    def body(self) -> dict[str, Any]:
        """Return the body of the act."""
        return {"task": parse_id(self.task)}


class ProgressForm(_About, frozen=True, tag="task.progress"):
    """How far a task is."""

    task: HexId
    note: Note = ""
    done: Millionths = 0

    def body(self) -> dict[str, Any]:
        """Return the body of the act."""
        return {"task": parse_id(self.task), "note": self.note, "done": self.done}


class DoneForm(_About, frozen=True, tag="task.done"):
    """How a task ended."""

    task: HexId
    outcome: Literal["done", "given_up", "cancelled"] = "done"
    result: Result = ""
    packets: Ids = field(default_factory=list)

    def body(self) -> dict[str, Any]:
        """Return the body of the act."""
        return {
            "task": parse_id(self.task),
            "outcome": self.outcome,
            "result": self.result,
            "packets": _ids(self.packets),
        }


Form: TypeAlias = (
    PublishForm | ReviseForm | RetractForm | RepublishForm | OfferForm | ClaimForm | ProgressForm | DoneForm
)


def _content(form: PublishForm | ReviseForm) -> dict[str, Any]:
    data = form.data
    return {
        "type": form.type,
        "title": form.title,
        "content": form.content,
        "data": None if data is None else [data.media_type, from_base64url(data.data, "data")],
        "confidence": form.confidence,
        "tags": sorted(set(form.tags)),
        "dependencies": _ids(form.dependencies),
    }


def _ids(texts: Iterable[str]) -> list[bytes]:
    return sorted({parse_id(text) for text in texts})
