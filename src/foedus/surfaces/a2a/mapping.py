"""Between A2A and calls: what of a message an agent is given, and how an errand shows as a task. Pure.

Tasks, messages and parts are the JSON of A2A 1.0 (section 5.5 of the specification), as plain dicts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from foedus.base.errors import UsageError
from foedus.base.limits import SECOND
from foedus.node.errand_values import ErrandNews, ErrandView
from foedus.query.schemas import SchemaMismatch, Shape, write_json

TERMINAL = frozenset(
    {"TASK_STATE_COMPLETED", "TASK_STATE_FAILED", "TASK_STATE_CANCELED", "TASK_STATE_REJECTED"},
)
_ENDED = {
    "result": "TASK_STATE_COMPLETED",
    "error": "TASK_STATE_FAILED",
    "cancelled": "TASK_STATE_CANCELED",
    "refused": "TASK_STATE_REJECTED",
    "late": "TASK_STATE_FAILED",
    "unknown": "TASK_STATE_FAILED",
}
_WORDS = {
    "late": "Nothing was done until its time was over.",
    "unknown": "It may have been done, and is never run again. Look before you send it once more.",
    "cancelled": "It was cancelled.",
}


class NoInput(UsageError):
    """The parts of a message are not what the capability takes."""

    code = "no_input"
    remedy = "send text, or one data part that its schema takes; its agent card shows the schema"


def input_of(parts: Sequence[Mapping[str, Any]], takes: Any) -> Any:
    """Return the input of a call: the data part, else the text in the form that the schema takes; raise NoInput."""
    data = [part["data"] for part in parts if "data" in part]
    text = "\n".join(str(part["text"]) for part in parts if "text" in part)
    if len(data) > 1 or any("raw" in part or "url" in part for part in parts):
        raise NoInput("files, and more than one data part, cannot be given to a capability")
    candidates = data or [{"text": text}, text, *_parsed(text)]
    shape = Shape(b"" if takes is None else write_json(takes))
    wrong = ""
    for candidate in candidates:
        try:
            shape.check(write_json(candidate))
        except SchemaMismatch as error:
            wrong = wrong or str(error)
        else:
            return candidate
    raise NoInput(wrong)


def _parsed(text: str) -> list[Any]:
    try:
        return [json.loads(text)]
    except (ValueError, RecursionError):
        return []


def state_of(view: ErrandView) -> str:
    """Return the state of a task."""
    if view.state == "over":
        return _ENDED[view.outcome]
    if view.state == "called":
        return "TASK_STATE_WORKING"
    needs_a_person = view.why == "needs_approval" or view.why.startswith("grant.")
    return "TASK_STATE_AUTH_REQUIRED" if needs_a_person else "TASK_STATE_SUBMITTED"


def task_of(view: ErrandView, *, history: int | None = None) -> dict[str, Any]:
    """Return an errand as a task. ``history``: how many of its messages, None for all."""
    sent = json.loads(view.note)["message"] if view.note else None
    shown = [sent] if sent and history != 0 else []
    return {
        "id": view.errand,
        "contextId": view.context,
        "status": _status(view),
        "artifacts": _artifacts(view),
        "history": shown,
        "metadata": {"foedus": _proof(view)},
    }


def updates_of(news: ErrandNews) -> list[dict[str, Any]]:
    """Return what a stream tells: each as a StreamResponse."""
    view = news.errand
    ids = {"taskId": view.errand, "contextId": view.context}
    if news.number:
        message = _message(view, [{"data": news.data}], news.number)
        status = {"state": "TASK_STATE_WORKING", "message": message, "timestamp": _when(view.changed)}
        return [{"statusUpdate": ids | {"status": status}}]
    artifacts = [{"artifactUpdate": ids | {"artifact": it, "lastChunk": True}} for it in _artifacts(view)]
    return [*artifacts, {"statusUpdate": ids | {"status": _status(view), "metadata": {"foedus": _proof(view)}}}]


def _status(view: ErrandView) -> dict[str, Any]:
    status: dict[str, Any] = {"state": state_of(view), "timestamp": _when(view.changed)}
    words = view.words or _WORDS.get(view.outcome, "")
    if words or view.why:
        text = f"{words} ({view.why})" if view.why else words
        status["message"] = _message(view, [{"text": text.strip()}], 0)
    return status


def _message(view: ErrandView, parts: list[dict[str, Any]], number: int) -> dict[str, Any]:
    return {
        "messageId": f"{view.errand}.{view.changed}.{number}",
        "contextId": view.context,
        "taskId": view.errand,
        "role": "ROLE_AGENT",
        "parts": parts,
    }


def _artifacts(view: ErrandView) -> list[dict[str, Any]]:
    if view.state != "over" or view.outcome != "result":
        return []
    output = view.output
    text = output if isinstance(output, str) else output.get("text") if isinstance(output, dict) else None
    parts = [{"text": text, "mediaType": "text/plain"}] if isinstance(text, str) else []
    if not isinstance(output, str):
        parts.append({"data": output, "mediaType": "application/json"})
    return [{"artifactId": "output", "name": view.name, "parts": parts}]


def _proof(view: ErrandView) -> dict[str, str]:
    """Return by what an auditor finds the call and its receipt: `foedus call show CALL`."""
    return {"node": view.node, "capability": view.name, "call": view.call, "outcome": view.outcome, "code": view.why}


def _when(at: int) -> str:
    return datetime.fromtimestamp(at / SECOND, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
