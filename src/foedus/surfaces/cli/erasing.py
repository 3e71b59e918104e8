"""`foedus erase`: take back what was said, as its author or as the host of the room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from foedus.base.errors import UsageError
from foedus.surfaces.cli.options import COMMON, Common, PassphraseFile, Yes
from foedus.surfaces.cli.prompts import confirm
from foedus.surfaces.cli.text import short
from foedus.values.node import IdentityView, ParticipantView, Placed
from foedus.values.rooms import EventView, RoomView

if TYPE_CHECKING:
    from foedus.surfaces.cli.client import Client
    from foedus.values.node import SignedAct


def erase(
    event: Annotated[str, Parameter(help="The whole id of the event: `foedus log list` shows it.")],
    *,
    reason: Annotated[
        Literal["author", "moderator", "retention"],
        Parameter(help="author: I said it. moderator: by role, or as host. retention: as host."),
    ] = "author",
    passphrase_file: PassphraseFile = None,
    yes: Yes = False,
    common: Common = COMMON,
) -> None:
    """Erase what an event says, here and at every peer that complies; that it was said stays."""
    from foedus.surfaces.cli.client import path_of

    out = common.output()
    node = common.client()
    held = node.get(path_of("events", event), EventView)
    confirm("It cannot be brought back. Erase it?", yes=yes)
    body = _body(node, held, reason, passphrase_file)
    placed = node.post(f"{path_of('events', held.id)}/erase", Placed, body)
    out.show(placed, lambda _: [[f"erased: event {placed.id} says so to everyone who holds it"]])
    kind, _, subject = held.stream.partition(":")
    out.next(f"foedus room read {short(subject)}" if kind == "room" else "foedus knowledge search WORDS")


def _body(node: Client, held: EventView, reason: str, file: PassphraseFile) -> dict[str, Any] | SignedAct:
    """Return the reason, where the node itself can act, else the act signed by the author's device."""
    if reason != "author" or held.author == node.get("/identity", IdentityView).node:
        return {"reason": reason}
    mine = [who for who in node.get("/participants", list[ParticipantView]) if who.is_local and who.did == held.author]
    if not mine:
        raise UsageError(
            "its author is not a participant of this node",
            code="not_permitted",
            http_status=403,
            remedy="its author erases it, or the host of the room: --reason moderator",
        )
    return {"reason": reason} if mine[0].custody == "node" else _signed(node, held, mine[0], file)


def _signed(node: Client, held: EventView, author: ParticipantView, file: PassphraseFile) -> SignedAct:
    from foedus.base.ids import parse_id
    from foedus.surfaces.cli.client import path_of
    from foedus.surfaces.cli.devices import device_folder, enrolled, sign, unlock
    from foedus.surfaces.cli.signing import Draft
    from foedus.surfaces.cli.speaking import membership_of

    entry, device = enrolled(folder := device_folder(), author)
    auth = [parse_id(device.enrolment)]
    if held.stream.startswith("room:"):
        room = node.get(path_of("rooms", held.stream.removeprefix("room:")), RoomView)
        auth.append(parse_id(membership_of(room, author)))
    body = {"targets": [parse_id(held.id)], "reason": "author"}
    return sign(node, unlock(folder, entry, file), Draft(author.did, held.stream, "event.erase", body, tuple(auth)))
