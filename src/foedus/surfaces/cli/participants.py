"""People and agents: add, list, find, and revoke a device."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from foedus.base.errors import NotFound, UsageError
from foedus.node.values import ParticipantView, Placed
from foedus.surfaces.cli.errors import CommandLineError
from foedus.surfaces.cli.options import COMMON, Common, PassphraseFile, Yes
from foedus.surfaces.cli.output import Line, Part, pairs
from foedus.surfaces.cli.prompts import confirm
from foedus.surfaces.cli.text import CROSS, named

if TYPE_CHECKING:
    from foedus.adapters.device_folder import DeviceEntry, DeviceFolder
    from foedus.crypto.ed25519 import Ed25519Key
    from foedus.surfaces.cli.client import Client
    from foedus.surfaces.cli.signing import Draft

app = App(name="participant", help="People and agents: add, list, find, and revoke a device.")


@app.command
def add(
    name: Annotated[str, Parameter(help="What others see; anyone may use the same.")],
    /,
    *,
    kind: Annotated[
        Literal["human", "agent"],
        Parameter(help="A human's key is always sealed by a passphrase, an agent's where one is given."),
    ],
    custodial: Annotated[
        bool,
        Parameter(negative="", help="Let the node keep an agent's key and sign for it."),
    ] = False,
    passphrase_file: PassphraseFile = None,
    common: Common = COMMON,
) -> None:
    """Add a person or an agent. The key is made in your own device folder (FOEDUS_DEVICE, else ~/.foedus-device).

    A command that was cut short may be run again: it takes up the key that it made.
    """
    if custodial and kind == "human":
        raise CommandLineError(
            "a person's key is never kept by the node",
            remedy="leave out --custodial: the key is made in your device folder",
        )
    out = common.output()
    node = common.client()
    if custodial:
        body = {"name": name, "kind": kind, "custodial": True}
        added = node.post("/participants", ParticipantView, body)
    else:
        added = _enrol(node, name, kind, passphrase_file)
    out.show(added, participant_lines)
    out.next("foedus say ROOM TEXT --as {}", name)


def _enrol(node: Client, name: str, kind: str, file: PassphraseFile) -> ParticipantView:
    """Make the device key, durably, then let it enrol itself."""
    from foedus.base.ids import parse_id
    from foedus.node.values import SigningContext
    from foedus.surfaces.cli.client import path_of
    from foedus.surfaces.cli.devices import device_folder, new_key, sign, unlock

    folder = device_folder()
    own = parse_id(node.get("/signing", SigningContext).node)
    entry = _unused_entry(node, folder, name, own)
    if entry is None:
        entry, key = new_key(folder, _free_name(folder, name, own), kind, own, file)
    elif entry.kind == kind:
        key = unlock(folder, entry, file)
    else:
        raise UsageError(f"the key {name} was made for a {entry.kind}", code="other_kind", remedy="say so by --kind")
    act = sign(node, key, enrolment_draft(key, own, kind, name))
    node.post(path_of("participants", entry.did, "acts"), Placed, act)
    return find_one(node.get("/participants", list[ParticipantView], {"q": entry.did}), entry.did)


def enrolment_draft(key: Ed25519Key, node: bytes, kind: str, name: str) -> Draft:
    """Return the first enrolment of a participant, which its device signs for itself."""
    from foedus.identity.did import did_of
    from foedus.log.streams import participant
    from foedus.surfaces.cli.signing import Draft

    did = did_of(key.public)
    body: dict[str, Any] = {
        "did": did,
        "node": node,
        "kind": kind,
        "name": name,
        "custody": "device",
        "device": key.public,
        "possession": None,
        "recovery": None,
    }
    return Draft(did, participant(did), "device.enrol", body)


def _unused_entry(node: Client, folder: DeviceFolder, name: str, own: bytes) -> DeviceEntry | None:
    """Return the key of that name which was made for this node but never enrolled; refuse one that was."""
    for entry in folder.list():
        if entry.node == own and entry.name in {name, _qualified(name, own)}:
            if node.get("/participants", list[ParticipantView], {"q": entry.did}):
                raise UsageError(
                    f"there is a participant {name} already, with a key in {folder.path}",
                    code="participant_exists",
                    remedy="choose another name",
                    http_status=409,
                )
            return entry
    return None


def _free_name(folder: DeviceFolder, name: str, own: bytes) -> str:
    """Return the name for the key: qualified by the node where another node's key has it."""
    return _qualified(name, own) if any(entry.name == name for entry in folder.list()) else name


def _qualified(name: str, node: bytes) -> str:
    from foedus.base.ids import short

    return f"{name}@{short(node)}"


@app.command(name="list")
def list_(*, common: Common = COMMON) -> None:
    """List the people and agents of this node and of connected peers."""
    _list(common, "")


@app.command
def find(
    text: Annotated[str, Parameter(help="A part of the name or of the DID.")], /, *, common: Common = COMMON
) -> None:
    """Find people and agents whose name or DID contains TEXT."""
    _list(common, text)


def _list(common: Common, text: str) -> None:
    out = common.output()
    found = common.client().get("/participants", list[ParticipantView], {"q": text})
    if out.as_json or not found:
        out.show(found, lambda _: [["nobody found"]])
    else:
        rows = ([_name(who), who.kind, _place(who), who.custody, who.did] for who in found)
        out.table(["name", "kind", "node", "key kept by", "DID"], rows)
    out.next('foedus say --to DID "hello" --as NAME' if found else "foedus participant add NAME --kind human")


def _place(who: ParticipantView) -> str:
    return "this node" if who.is_local else named(who.node_known_as, who.node_name, who.node)


def _name(who: ParticipantView) -> Part:
    shown = named(who.known_as, who.name)
    if who.looks_like:
        return (f"{shown} {CROSS} looks like {', '.join(who.looks_like)}", "bold yellow")
    return shown


@app.command
def revoke(
    name: Annotated[str, Parameter(help="The participant's name or DID.")],
    /,
    *,
    device: Annotated[
        str, Parameter(help="The device's key in hex, as `foedus participant find NAME --json` shows it.")
    ],
    passphrase_file: PassphraseFile = None,
    yes: Yes = False,
    common: Common = COMMON,
) -> None:
    """Revoke a device of a participant, for good. What it signed until now stands; later acts are rejected."""
    from foedus.base.ids import parse_id
    from foedus.log.streams import participant
    from foedus.surfaces.cli.client import path_of
    from foedus.surfaces.cli.devices import device_folder, enrolled, refuse_foreign, sign, unlock
    from foedus.surfaces.cli.signing import Draft

    out = common.output()
    node = common.client()
    who = find_one(node.get("/participants", list[ParticipantView], {"q": name}), name)
    refuse_foreign(who)
    revoked = parse_id(device)
    if not any(held.key == device and not held.revoked for held in who.devices):
        raise NotFound(f"{who.name} has no such device in force", code="device_not_found")
    confirm(f"Revoke the device {device} of {who.name} for good?", yes=yes)
    folder = device_folder()
    entry, signer = enrolled(folder, who)
    key = unlock(folder, entry, passphrase_file)
    cuts = node.get(path_of("participants", who.did, "devices", device, "cuts"), list[tuple[str, int, str]])
    body = {"device": revoked, "cuts": [[parse_id(chain), seq, parse_id(last)] for chain, seq, last in cuts]}
    draft = Draft(who.did, participant(who.did), "device.revoke", body, auth=(parse_id(signer.enrolment),))
    placed = node.post(path_of("participants", who.did, "acts"), Placed, sign(node, key, draft))
    out.show(placed, lambda _: [[f"revoked by event {placed.id}"]])
    out.next("foedus participant find {}", who.name)


def find_one(found: list[ParticipantView], name: str) -> ParticipantView:
    """Return the participant of exactly that name or DID; raise NotFound, or UsageError naming the candidates."""
    known = [who for who in found if name in {who.known_as, who.did}]
    exact = known or [who for who in found if name == who.name]
    if not exact:
        raise NotFound(f"there is no participant {name!r}", remedy="see `foedus participant list`")
    if len(exact) > 1:
        names = "; ".join(f"{who.name} at {who.node_name}: {who.did}" for who in exact)
        raise UsageError(f"several participants have this name: {names}", code="ambiguous", remedy="give the DID")
    return exact[0]


def participant_lines(who: ParticipantView) -> Iterable[Line]:
    """Return who a participant is."""
    return pairs(
        [
            ("name", (named(who.known_as, who.name), "bold")),
            *([("calls itself", who.name)] if who.known_as not in {"", who.name} else []),
            *([("looks like", (", ".join(who.looks_like), "bold yellow"))] if who.looks_like else []),
            ("kind", who.kind),
            ("DID", who.did),
            ("node", _place(who)),
            ("key kept by", "the node" if who.custody == "node" else "its device folder"),
            *(("device", f"{device.key}{' (revoked)' if device.revoked else ''}") for device in who.devices),
        ],
    )
