"""What an agent wants to do, in the words of what it says: for the human who is to allow it."""

from __future__ import annotations

from typing import Any

from foedus.base.cbor import Malformed, NotCanonical, decode, decode_as
from foedus.log.bodies import MessageText
from foedus.log.knowledge import (
    KNOWLEDGE_SHAPES,
    KnowledgeBody,
    KnowledgePublish,
    KnowledgeRepublish,
    KnowledgeRetract,
    TaskClaim,
    TaskDone,
    TaskOffer,
    TaskProgress,
    read_knowledge,
)
from foedus.node.approvals import Approval
from foedus.node.call_making import CALLED
from foedus.node.council_agents import asked_words
from foedus.node.council_judging import ASKED
from foedus.node.crdt_asking import described
from foedus.query.call import Called
from foedus.state.crdt.fold import DELTA


def words_of(approval: Approval) -> str | None:
    """Return what is said, asked, called or told; None where nothing of it is for people to read."""
    kind, body = approval.kind, approval.body
    try:
        if kind.startswith("query."):
            return _asked(decode(body)["about"])
        if kind in _WORDS:
            return _WORDS[kind](body)
        if kind in KNOWLEDGE_SHAPES:
            return _told(read_knowledge(kind, body))
        return decode_as(body, MessageText).text if kind == "message.text" else None
    except (NotCanonical, Malformed):
        return None


def _called(body: bytes) -> str:
    called = decode_as(body, Called)
    return f"{called.name} {called.input.decode()}"


_WORDS = {DELTA: described, CALLED: _called, ASKED: asked_words}


def _asked(about: dict[str, Any]) -> str:
    """Return in words what a question is about: its text, or the id of an event."""
    event = about.get("event")
    return event.hex() if isinstance(event, bytes) else str(about.get("text", ""))


def _told(body: KnowledgeBody) -> str:  # noqa: PLR0911  # one for each kind
    match body:
        case KnowledgePublish(title=title, content=content):  # and a revision, which says all of it anew
            return f"{title}\n\n{content}".rstrip()
        case KnowledgeRetract(packet=packet, reason=reason):
            return f"takes back packet {packet.hex()}: {reason}".rstrip(": ")
        case KnowledgeRepublish():
            return "passes on a packet of another node"
        case TaskOffer(title=title, content=content):
            return f"{title}\n\n{content}".rstrip()
        case TaskClaim(task=task):
            return f"claims task {task.hex()}"
        case TaskProgress(task=task, note=note):
            return f"is at work on task {task.hex()}: {note}".rstrip(": ")
        case TaskDone(task=task, outcome=outcome, result=result):
            return f"ends task {task.hex()}, {outcome}: {result}".rstrip(": ")
