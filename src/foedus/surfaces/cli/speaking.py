"""`foedus say`: who speaks, where, and by which key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from foedus.base.errors import NotFound, UsageError
from foedus.surfaces.cli.errors import CommandLineError
from foedus.surfaces.cli.options import COMMON, Common, File, PassphraseFile, Wait
from foedus.surfaces.cli.participants import find_one
from foedus.surfaces.cli.prompts import read_text
from foedus.surfaces.cli.text import short
from foedus.values.node import ParticipantView
from foedus.values.rooms import RoomView

if TYPE_CHECKING:
    from foedus.surfaces.cli.client import Client
    from foedus.surfaces.cli.voices import Voice

USAGE = """\
Usage: foedus say [OPTIONS] ROOM TEXT
       foedus say [OPTIONS] --to PARTICIPANT TEXT
"""


def say(
    *words: Annotated[
        str, Parameter(help="The room (its id, first digits, or name), then the text; with --to the text alone.")
    ],
    to: Annotated[str, Parameter(help="The name or DID of a person or agent: speak in a room of the two.")] = "",
    as_: Annotated[
        str,
        Parameter(name="--as", metavar="NAME", help="Who speaks. Needed where the node has several participants."),
    ] = "",
    wait: Wait = 0,
    file: File = None,
    passphrase_file: PassphraseFile = None,
    common: Common = COMMON,
) -> None:
    """Say something in a room, or to one participant. An agent's words to another node may wait for a person."""
    room, text = split_words(words, to, file)
    out = common.output()
    node = common.client(passphrase_file)
    everyone = node.get("/participants", list[ParticipantView])
    speaker = choose_speaker([who for who in everyone if who.is_local], as_ or node.speaker())
    voice = _voice(node, speaker, passphrase_file)
    if to:
        other = find_one([who for who in everyone if who.did != speaker.did], to)
        body = {"participant": other.did, "as": speaker.did}
        where = node.post("/rooms/direct", RoomView, body)
    else:
        where = _room(node, room)
    placed = voice.say(where, text)
    if placed.approval:
        placed = voice.settle(where, placed, wait)
    if placed.approval:
        out.show(placed, lambda _: [[f"this waits for a person: approval {placed.approval}"]])
        out.next(f"foedus approval allow {placed.approval} --as NAME")
        return
    out.show(placed, lambda _: [[f"said in {where.name} as {speaker.name}: event {placed.id}"]])
    out.next(f"foedus room read {short(where.room)}")


def split_words(words: tuple[str, ...], to: str, file: Path | None) -> tuple[str, str]:
    """Return (room, text) of the command's words; the room is '' where ``to`` is given. Raises CommandLineError."""
    room, said = ("", words) if to else (words[0] if words else "", words[1:])
    if bool(said) == (file is not None) or not (to or room):
        raise CommandLineError("what, and where?", remedy="foedus say ROOM TEXT, or say --to PARTICIPANT TEXT")
    text = " ".join(said) if file is None else read_text(file).rstrip("\n")
    if not text.strip():
        raise CommandLineError("the text is empty", remedy="say something")
    return room, text


def choose_speaker(local: list[ParticipantView], name: str) -> ParticipantView:
    """Return the local participant who speaks; raise NotFound or UsageError, which name the choice."""
    if name:
        return find_one(local, name)
    if not local:
        raise NotFound(
            "this node has no participants yet, so nobody can speak",
            code="no_participant",
            remedy="add one: `foedus participant add NAME --kind human`",
        )
    if len(local) > 1:
        names = ", ".join(sorted(who.name for who in local))
        raise UsageError(f"which participant? There are {names}", code="speaker_needed", remedy="add --as NAME")
    return local[0]


def _voice(node: Client, speaker: ParticipantView, file: PassphraseFile) -> Voice:
    """Return how the speaker speaks; a passphrase that is needed is asked for here, before anything is done."""
    from foedus.surfaces.cli.voices import Custodial, OwnKey

    return Custodial(node, speaker) if speaker.custody == "node" else OwnKey(node, speaker, file)


def membership_of(room: RoomView, speaker: ParticipantView) -> str:
    """Return the id of the membership that the speaker stands on: its own, else its node's; raise UsageError."""
    ours = {member.participant: member.id for member in room.members if member.node == speaker.node}
    found = ours.get(speaker.did) or ours.get("")
    if found is None:
        raise UsageError(
            f"{speaker.name} is not a member of {room.name}",
            code="not_permitted",
            http_status=403,
            remedy="ask the room's host to share it with this node",
        )
    return found


def _room(node: Client, room: str) -> RoomView:
    from foedus.surfaces.cli.client import path_of

    return node.get(path_of("rooms", room), RoomView)
