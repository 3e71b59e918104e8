"""The bodies of ``knowledge:<domain>``: packets and tasks (docs/knowledge.md; docs/protocol.md, section 3).

A packet or task is named by the id of the event that began it. What later events say of it names that id.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, NamedTuple, TypeAlias

from msgspec import Meta, Struct

from foedus.base.cbor import Malformed, decode_as, learn
from foedus.base.limits import BODY_MAX, TEXT_MAX
from foedus.log.event import Id

MILLION = 1_000_000
"""Ratios are integers in millionths (DESIGN section 3)."""
TITLE_MAX = 256
"""Characters of a title: one line of a list, with room for a long name."""
TAGS_MAX = 16
"""Tags of a packet: what one reads at a glance."""
DEPENDENCIES_MAX = 32
"""Packets that one stands on: bounds the look-ups that one packet can cause; half of REFS_MAX, which names them too."""
NOTE_MAX = 1_024
"""Characters of a note about progress or of a reason: a paragraph."""
LABEL_MAX = 64
"""Characters of a type, tag or media type: a word or two."""
RESULT_MAX = 8_192
"""Characters of what a task asks for or came to: what is longer is a packet, which the task names."""

Millionths: TypeAlias = Annotated[int, Meta(ge=0, le=MILLION)]
PacketType: TypeAlias = Annotated[str, Meta(pattern=r"\A[a-z0-9]+(?:[._-][a-z0-9]+)*\Z", max_length=LABEL_MAX)]
Label: TypeAlias = Annotated[str, Meta(pattern=r"\A\S+(?: \S+)*\Z", min_length=1, max_length=LABEL_MAX)]
Title: TypeAlias = Annotated[str, Meta(min_length=1, max_length=TITLE_MAX)]
Content: TypeAlias = Annotated[str, Meta(max_length=TEXT_MAX)]
Tags: TypeAlias = Annotated[tuple[Label, ...], Meta(max_length=TAGS_MAX)]
Ids: TypeAlias = Annotated[tuple[Id, ...], Meta(max_length=DEPENDENCIES_MAX)]
Note: TypeAlias = Annotated[str, Meta(max_length=NOTE_MAX)]
Result: TypeAlias = Annotated[str, Meta(max_length=RESULT_MAX)]


class Data(NamedTuple):
    """What is no prose: bytes and what they are. Foreign JSON stays the bytes that it was."""

    media_type: Annotated[str, Meta(pattern=r"\A[a-z0-9.+-]+/[a-z0-9.+-]+\Z", max_length=LABEL_MAX)]
    data: Annotated[bytes, Meta(max_length=BODY_MAX)]


class _Body(Struct, frozen=True, forbid_unknown_fields=True):
    pass


class KnowledgePublish(_Body, frozen=True):
    """``knowledge.publish``: a packet begins. ``tags`` and ``dependencies`` are sorted and hold nothing twice."""

    type: PacketType
    title: Title
    content: Content
    data: Data | None
    confidence: Millionths
    tags: Tags
    dependencies: Ids


class KnowledgeRevise(KnowledgePublish, frozen=True):
    """``knowledge.revise``: what the packet says from now on, whole."""

    packet: Id


class KnowledgeRetract(_Body, frozen=True):
    """``knowledge.retract``: the packet no longer stands; nothing revives it."""

    packet: Id
    reason: Note


class KnowledgeRepublish(_Body, frozen=True):
    """``knowledge.republish``: passes on another's packet; ``source`` is the envelope of its event, with the body."""

    source: Annotated[bytes, Meta(min_length=1, max_length=BODY_MAX)]


class TaskOffer(_Body, frozen=True):
    """``task.offer``: something to do. ``lease``: seconds that a claim holds without a word of progress."""

    title: Title
    content: Result
    tags: Tags
    dependencies: Ids
    lease: Annotated[int, Meta(ge=1, le=30 * 86_400)]


class TaskClaim(_Body, frozen=True):
    """``task.claim``: the author will do it."""

    task: Id


class TaskProgress(_Body, frozen=True):
    """``task.progress``: how far it is, by who holds it; the lease begins anew."""

    task: Id
    note: Note
    done: Millionths


class TaskDone(_Body, frozen=True):
    """``task.done``: by who holds it ``done`` or ``given_up``, by who offered it ``cancelled``."""

    task: Id
    outcome: Literal["done", "given_up", "cancelled"]
    result: Result
    packets: Ids


KnowledgeBody: TypeAlias = (
    KnowledgePublish
    | KnowledgeRevise
    | KnowledgeRetract
    | KnowledgeRepublish
    | TaskOffer
    | TaskClaim
    | TaskProgress
    | TaskDone
)

KNOWLEDGE_SHAPES: dict[str, type[KnowledgeBody]] = {
    "knowledge.publish": KnowledgePublish,
    "knowledge.revise": KnowledgeRevise,
    "knowledge.retract": KnowledgeRetract,
    "knowledge.republish": KnowledgeRepublish,
    "task.offer": TaskOffer,
    "task.claim": TaskClaim,
    "task.progress": TaskProgress,
    "task.done": TaskDone,
}


def read_knowledge(kind: str, body: bytes) -> KnowledgeBody:
    """Return the body of an act of one of these kinds; raise NotCanonical or Malformed."""
    read: KnowledgeBody = decode_as(body, KNOWLEDGE_SHAPES[kind])
    _check(read)
    return read


def _check(body: KnowledgeBody) -> None:
    for name in ("tags", "dependencies", "packets"):
        if not all(one < other for one, other in pairwise(getattr(body, name, ()))):
            raise Malformed(f"{name} are sorted and hold nothing twice")


def subject_of(body: KnowledgeBody) -> bytes | None:
    """Return the packet or task that a body speaks of, None where it begins one."""
    found: bytes | None = getattr(body, "packet", None) or getattr(body, "task", None)
    return found


learn(*KNOWLEDGE_SHAPES.values())
