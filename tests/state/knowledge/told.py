"""Acts about packets and tasks, for tests of the folds."""

from foedus.base.clock import Hlc
from foedus.log.knowledge import (
    KnowledgePublish,
    KnowledgeRetract,
    KnowledgeRevise,
    TaskClaim,
    TaskDone,
    TaskOffer,
    TaskProgress,
)
from foedus.state.knowledge.told import Told

KINDS = {
    KnowledgePublish: "knowledge.publish",
    KnowledgeRevise: "knowledge.revise",
    KnowledgeRetract: "knowledge.retract",
    TaskOffer: "task.offer",
    TaskClaim: "task.claim",
    TaskProgress: "task.progress",
    TaskDone: "task.done",
}
A, B, C = (bytes([n]) * 32 for n in (1, 2, 3))
PACKET = b"p" * 32
TASK = b"t" * 32


def event(n: int) -> bytes:
    return n.to_bytes(32, "big")


def told(n, node, body, *, author="did:ada", us=None, kind=""):
    """The act ``n``, whose clock is ``us`` microseconds (n where none is given)."""
    us = n if us is None else us
    return Told(
        event(n) if isinstance(n, int) else n,
        "lab",
        node,
        author,
        Hlc(us if isinstance(us, int) else 0, 0),
        0,
        kind or KINDS[type(body)],
        body,
    )


def says(title, **more):
    plain = {
        "type": "note",
        "title": title,
        "content": "",
        "data": None,
        "confidence": 0,
        "tags": (),
        "dependencies": (),
    }
    return plain | more


def publish(title="first"):
    return told(PACKET, A, KnowledgePublish(**says(title)), us=0)


def revise(n, title, node=A, **more):
    return told(n, node, KnowledgeRevise(packet=PACKET, **says(title)), **more)


def retract(n, node=A, **more):
    return told(n, node, KnowledgeRetract(packet=PACKET, reason="wrong"), **more)


def offer(lease=1):
    return told(TASK, A, TaskOffer(title="count", content="", tags=(), dependencies=(), lease=lease), us=0)


def claim(n, node, us=None, **more):
    return told(n, node, TaskClaim(task=TASK), us=us, **more)


def progress(n, node, us=None, **more):
    return told(n, node, TaskProgress(task=TASK, note="", done=1), us=us, **more)


def done(n, node, outcome="done", us=None, **more):
    return told(n, node, TaskDone(task=TASK, outcome=outcome, result="", packets=()), us=us, **more)
