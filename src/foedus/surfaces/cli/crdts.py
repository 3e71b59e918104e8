"""`foedus crdt`: values in rooms that many write at once and that merge to the same everywhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import App, Parameter

from foedus.node.crdt_forms import CrdtAsk
from foedus.surfaces.cli.errors import CommandLineError
from foedus.surfaces.cli.options import COMMON, Common, PassphraseFile, Room
from foedus.surfaces.cli.output import Line, pairs
from foedus.values.crdts import CrdtView, TransferAsk
from foedus.values.node import ParticipantView, Placed
from foedus.values.rooms import RoomView

if TYPE_CHECKING:
    from foedus.surfaces.cli.client import Client

app = App(name="crdt", help="Values in rooms that many write at once: registers, maps, sets, counters, transfers.")

Name = Annotated[str, Parameter(help="The name of the value in its room.")]
As = Annotated[
    str, Parameter(name="--as", metavar="NAME", help="Who writes. Needed where the node has several participants.")
]


@app.command(name="list")
def list_(room: Room, /, *, common: Common = COMMON) -> None:
    """List the values of a room."""
    from foedus.surfaces.cli.client import path_of

    out = common.output()
    views = common.client().get(path_of("rooms", room, "crdts"), list[CrdtView])
    if out.as_json or not views:
        out.show(views, lambda _: [["no values yet"]])
    else:
        out.table(["name", "type", "entries", ""], ([it.name, it.type, str(it.entries), _holes(it)] for it in views))
    out.next("foedus crdt show ROOM NAME" if views else "foedus crdt set ROOM NAME KEY VALUE")


@app.command
def show(
    room: Room,
    name: Name,
    /,
    *,
    entry: Annotated[str, Parameter(help="Only this key of a map, or this target of transfers.")] = "",
    type_: Annotated[str, Parameter(name="--type", help="Which one, where several have the name.")] = "",
    common: Common = COMMON,
) -> None:
    """Show a value as it is at this node now."""
    out = common.output()
    out.show(_get(common.client(), room, name, type_, entry=entry), _lines)


@app.command(name="set")
def set_(
    room: Room,
    name: Name,
    /,
    *words: Annotated[str, Parameter(help="VALUE for a register, KEY VALUE for a map; JSON, or else text.")],
    as_: As = "",
    passphrase_file: PassphraseFile = None,
    common: Common = COMMON,
) -> None:
    """Give a register its value, or a key of a map. The last writer wins, everywhere the same."""
    if len(words) not in {1, 2}:
        raise CommandLineError("what?", remedy="foedus crdt set ROOM NAME VALUE, or ROOM NAME KEY VALUE")
    asked = (
        CrdtAsk(type="register", value=parse_value(words[0]))
        if len(words) == 1
        else CrdtAsk(type="map", set={words[0]: parse_value(words[1])})
    )
    _write(common, (room, name), asked, as_, passphrase_file)


@app.command
def add(
    room: Room,
    name: Name,
    /,
    *values: Annotated[str, Parameter(help="JSON, or else text.")],
    grow: Annotated[bool, Parameter(help="To a set from which nothing is ever removed.")] = False,
    as_: As = "",
    passphrase_file: PassphraseFile = None,
    common: Common = COMMON,
) -> None:
    """Add values to a set."""
    asked = CrdtAsk(type="grow-set" if grow else "set", add=[parse_value(value) for value in values])
    _write(common, (room, name), asked, as_, passphrase_file)


@app.command
def remove(
    room: Room,
    name: Name,
    /,
    *values: Annotated[str, Parameter(help="Values of a set, or keys of a map.")],
    as_: As = "",
    passphrase_file: PassphraseFile = None,
    common: Common = COMMON,
) -> None:
    """Remove values from a set, or keys from a map. Who adds a value at the same time is not overruled."""
    view = _get(common.client(), room, name, "")
    removed = [*values] if view.type == "map" else [parse_value(value) for value in values]
    _write(common, (room, name), CrdtAsk(type=view.type, remove=removed), as_, passphrase_file)


@app.command
def increment(
    room: Room,
    name: Name,
    by: Annotated[int, Parameter(help="How much; below 0 takes away.", allow_leading_hyphen=True)] = 1,
    /,
    *,
    as_: As = "",
    passphrase_file: PassphraseFile = None,
    common: Common = COMMON,
) -> None:
    """Add to a counter."""
    _write(common, (room, name), CrdtAsk(type="counter", by=by), as_, passphrase_file)


@app.command
def transfer(  # noqa: PLR0913  # a measurement has five parts
    room: Room,
    name: Name,
    source: Annotated[str, Parameter(help="The domain that was learnt in.")],
    target: Annotated[str, Parameter(help="The domain that it helped.")],
    /,
    *,
    improvement: Annotated[int, Parameter(help="In millionths; below 0: it harmed.", allow_leading_hyphen=True)],
    confidence: Annotated[int, Parameter(help="In millionths.")],
    cycle: Annotated[int, Parameter(help="Of the learner; the greatest counts.")],
    as_: As = "",
    passphrase_file: PassphraseFile = None,
    common: Common = COMMON,
) -> None:
    """Note what learning in one domain brought to another."""
    found = TransferAsk(
        source=source, target=target, improvement=improvement, confidence=confidence, cycle=cycle
    )  # fmt: skip
    _write(common, (room, name), CrdtAsk(type="transfer", transfers=[found]), as_, passphrase_file)


def parse_value(text: str) -> Any:
    """Return what a user typed: JSON where it is that, else the text itself. Numbers with a point stay text."""
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    return text if isinstance(value, float) else value


# --- writing -------------------------------------------------------------------------------------


def _write(common: Common, place: tuple[str, str], asked: CrdtAsk, as_: str, file: PassphraseFile) -> None:
    from foedus.surfaces.cli.client import path_of
    from foedus.surfaces.cli.speaking import choose_speaker

    out = common.output()
    node = common.client(file)
    local = [who for who in node.get("/participants", list[ParticipantView]) if who.is_local]
    speaker = choose_speaker(local, as_ or node.speaker())
    room = node.get(path_of("rooms", place[0]), RoomView)
    if speaker.custody == "node":
        placed = node.post(path_of("rooms", room.room, "crdts", place[1]), Placed, _asked(asked, speaker))
    else:
        placed = _place_signed(node, speaker, (room, place[1]), asked, file)
    if placed.approval:
        out.show(placed, lambda _: [[f"this waits for a person: approval {placed.approval}"]])
        out.next(f"foedus approval allow {placed.approval} --as NAME")
        return
    out.show(placed, lambda _: [[f"written in {room.name} as {speaker.name}: event {placed.id}"]])
    out.next(f"foedus crdt show {place[0]} {place[1]}")


def _asked(asked: CrdtAsk, speaker: ParticipantView) -> dict[str, Any]:
    given = {
        "set": asked.set,
        "add": asked.add,
        "remove": asked.remove,
        "transfers": [msgspec.structs.asdict(it) for it in asked.transfers],
    }
    body: dict[str, Any] = {"type": asked.type, "as": speaker.did}
    body |= {name: value for name, value in given.items() if value}
    if asked.by is not None:
        body["by"] = asked.by
    return body if asked.value is msgspec.UNSET else body | {"value": asked.value}


def _place_signed(
    node: Client, speaker: ParticipantView, place: tuple[RoomView, str], asked: CrdtAsk, file: PassphraseFile
) -> Placed:
    """Sign on this device; an agent asks first what it has to cite at another node, or for a person's yes.

    What it removes from a set are the additions that this node shows.
    """
    from foedus.base.base64url import from_base64url, to_base64url
    from foedus.base.cbor import encode
    from foedus.base.ids import parse_id
    from foedus.node.crdt_asking import delta_of
    from foedus.surfaces.cli.client import path_of
    from foedus.surfaces.cli.crossing import ask_for, grants_of, is_foreign
    from foedus.surfaces.cli.devices import device_folder, enrolled, sign, signer_of
    from foedus.surfaces.cli.signing import Draft
    from foedus.surfaces.cli.speaking import membership_of

    room, name = place
    folder = device_folder()
    entry, device = enrolled(folder, speaker)
    key = signer_of(node, folder, entry, file)
    dots = _dots(node, room, name) if asked.type == "set" else {}
    delta = delta_of(asked, lambda value: dots.get(value, []))
    body = {"name": name, "type": asked.type, "delta": delta}
    auth = [parse_id(device.enrolment), parse_id(membership_of(room, speaker))]
    salt = b""
    if is_foreign(speaker, room):
        allowed = ask_for(node, speaker, room, {"delta": to_base64url(encode(body))})
        if allowed.state != "allowed":
            return Placed(id="", stream=f"room:{room.room}", seq=0, hlc=[0, 0], approval=allowed.id)
        auth += grants_of(allowed)
        salt = from_base64url(allowed.salt, "salt")
    draft = Draft(speaker.did, f"room:{room.room}", "crdt.delta", body, tuple(auth))
    return node.post(path_of("rooms", room.room, "crdts", name), Placed, sign(node, key, draft, salt))


def _dots(node: Client, room: RoomView, name: str) -> dict[bytes, list[tuple[bytes, int]]]:
    from foedus.base.errors import NotFound
    from foedus.node.crdt_asking import value_bytes

    found: dict[bytes, list[tuple[bytes, int]]] = {}
    try:
        view = _get(node, room.room, name, "set", additions=1)
    except NotFound:
        return found
    for it in view.additions:
        found.setdefault(value_bytes(it.value), []).append((bytes.fromhex(it.epoch), it.number))
    return found


# --- showing -------------------------------------------------------------------------------------


def _get(node: Client, room: str, name: str, type_: str, **query: Any) -> CrdtView:
    from foedus.surfaces.cli.client import path_of

    asked = {"type": type_, **query}
    given = {key: value for key, value in asked.items() if value}
    return node.get(path_of("rooms", room, "crdts", name), CrdtView, given)


def _lines(view: CrdtView) -> Iterable[Line]:
    yield from pairs([("name", (view.name, "bold")), ("type", view.type), ("entries", str(view.entries))])
    if view.holes:
        yield [(_holes(view), "yellow")]
    if isinstance(view.value, dict):
        yield from pairs([(key, _json(value)) for key, value in view.value.items()])
    elif isinstance(view.value, list):
        yield from ([_json(value)] for value in view.value)
    else:
        yield [_json(view.value)]


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _holes(view: CrdtView) -> str:
    return f"not whole here: {view.holes} chains" if view.holes else ""
