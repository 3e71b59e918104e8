"""What an agent's words need at another node: grants that it cites, or a person's yes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from foedus.base.errors import UsageError
from foedus.base.ids import parse_id
from foedus.base.limits import APPROVAL_WAIT_MAX_S
from foedus.surfaces.cli.client import path_of
from foedus.values.consent import ApprovalView
from foedus.values.node import ParticipantView
from foedus.values.rooms import RoomView

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from foedus.surfaces.cli.client import Client


def is_foreign(speaker: ParticipantView, room: RoomView) -> bool:
    """Whether speaking in the room is a border act that needs a human: an agent's, in a room of another node."""
    return speaker.kind == "agent" and not room.is_host


def ask(node: Client, speaker: ParticipantView, room: RoomView, text: str) -> ApprovalView:
    """Ask for what an agent with a key of its own wants to say: `allowed` at once where grants carry it."""
    return ask_for(node, speaker, room, {"text": text})


def ask_for(node: Client, speaker: ParticipantView, room: RoomView, what: Mapping[str, str]) -> ApprovalView:
    """Ask for a text or a delta; asked again in the same words, the answer is what was allowed in between."""
    return node.post("/approvals", ApprovalView, {"room": room.room, "as": speaker.did, **what})


def decided(node: Client, approval: str, wait_s: int) -> ApprovalView:
    """Return an approval once a human decided, or as it is after ``wait_s`` seconds."""
    end = time.monotonic() + wait_s
    while True:
        left = max(0, round(end - time.monotonic()))
        view = node.get(path_of("approvals", approval), ApprovalView, {"wait": min(left, APPROVAL_WAIT_MAX_S // 2)})
        if view.state != "waiting" or not left:
            return view


def grants_of(view: ApprovalView) -> Sequence[bytes]:
    """Return the events by which humans allowed an act."""
    return [parse_id(event) for event in view.grants]


def is_done(view: ApprovalView) -> bool:
    """Whether a person said yes; raise UsageError where one said no, or it came to nothing."""
    if view.state in {"denied", "expired", "failed"}:
        raise UsageError(
            f"the approval {view.id} is {view.state}{': ' + view.reason if view.reason else ''}",
            code=view.state,
            http_status=403,
            remedy="ask the people of this node: `foedus approval list --all`",
        )
    return view.state in {"allowed", "done"}


def waits_for(view: ApprovalView, what: str) -> UsageError:
    """Return the error by which a command ends that waits for a person."""
    return UsageError(
        f"a human has to allow this {what} first ({view.clause}): approval {view.id} is {view.state}",
        code="needs_approval",
        http_status=403,
        remedy=f"foedus approval allow {view.id} --as NAME",
    )


def is_for_a_person(error: UsageError, speaker: ParticipantView | None) -> bool:
    """Whether a person could allow what an agent was refused."""
    is_about_grants = error.code == "needs_approval" or error.code.startswith("grant.")
    return speaker is not None and speaker.kind == "agent" and is_about_grants
