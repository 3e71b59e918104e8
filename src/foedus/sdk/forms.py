"""What is told about packets and tasks: one form for each kind of act. Confidence and progress in millionths."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

from msgspec import Struct, field

from foedus.base.base64url import from_base64url
from foedus.base.ids import parse_id
from foedus.values.knowledge import DataView

MILLION = 1_000_000
LEASE_S = 86_400
"""A claim holds for a day without a word, where the offer does not say."""


class _Form(Struct, frozen=True, kw_only=True, tag_field="kind"):
    """``as_``: who says it, an agent whose key the node keeps; '' is the client's device, or the node itself."""

    as_: str = field(default="", name="as")

    @property
    def kind(self) -> str:
        """The kind of act that it makes."""
        return str(self.__struct_config__.tag)

    def body(self) -> dict[str, Any]:
        """Return the body of the act (docs/protocol.md, section 3)."""
        raise NotImplementedError


class Publish(_Form, frozen=True, tag="knowledge.publish"):
    """A new packet. ``dependencies``: ids of the packets that it stands on."""

    domain: str
    title: str
    type: str = "note"
    content: str = ""
    data: DataView | None = None
    confidence: int = MILLION
    tags: list[str] = field(default_factory=list)
    dependencies: list[str] = field(default_factory=list)

    def body(self) -> dict[str, Any]:
        """Return the body of the act."""
        return _content(self)


class Revise(_Form, frozen=True, tag="knowledge.revise"):
    """What a packet says from now on, whole."""

    packet: str
    title: str
    type: str = "note"
    content: str = ""
    data: DataView | None = None
    confidence: int = MILLION
    tags: list[str] = field(default_factory=list)
    dependencies: list[str] = field(default_factory=list)

    def body(self) -> dict[str, Any]:
        """Return the body of the act."""
        return _content(self) | {"packet": parse_id(self.packet)}


class Retract(_Form, frozen=True, tag="knowledge.retract"):
    """A packet no longer stands."""

    packet: str
    reason: str = ""

    def body(self) -> dict[str, Any]:
        """Return the body of the act."""
        return {"packet": parse_id(self.packet), "reason": self.reason}


class Republish(_Form, frozen=True, tag="knowledge.republish"):
    """A packet passed on in another domain. ``source``: ``knowledge.envelope(…).envelope``."""

    domain: str
    source: str

    def body(self) -> dict[str, Any]:
        """Return the body of the act."""
        return {"source": from_base64url(self.source, "source")}


class Offer(_Form, frozen=True, tag="task.offer"):
    """A new task. ``lease``: seconds that a claim holds without a word of progress."""

    domain: str
    title: str
    content: str = ""
    tags: list[str] = field(default_factory=list)
    dependencies: list[str] = field(default_factory=list)
    lease: int = LEASE_S

    def body(self) -> dict[str, Any]:
        """Return the body of the act."""
        return {
            "title": self.title,
            "content": self.content,
            "tags": sorted(set(self.tags)),
            "dependencies": _ids(self.dependencies),
            "lease": self.lease,
        }


class Claim(_Form, frozen=True, tag="task.claim"):
    """The author will do a task."""

    task: str

    def body(self) -> dict[str, Any]:
        """Return the body of the act."""
        return {"task": parse_id(self.task)}


class Progress(_Form, frozen=True, tag="task.progress"):
    """How far a task is."""

    task: str
    note: str = ""
    done: int = 0

    def body(self) -> dict[str, Any]:
        """Return the body of the act."""
        return {"task": parse_id(self.task), "note": self.note, "done": self.done}


class Done(_Form, frozen=True, tag="task.done"):
    """How a task ended. ``packets``: what came of it."""

    task: str
    outcome: Literal["done", "given_up", "cancelled"] = "done"
    result: str = ""
    packets: list[str] = field(default_factory=list)

    def body(self) -> dict[str, Any]:
        """Return the body of the act."""
        return {
            "task": parse_id(self.task),
            "outcome": self.outcome,
            "result": self.result,
            "packets": _ids(self.packets),
        }


Form: TypeAlias = Publish | Revise | Retract | Republish | Offer | Claim | Progress | Done


def _content(form: Publish | Revise) -> dict[str, Any]:
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
