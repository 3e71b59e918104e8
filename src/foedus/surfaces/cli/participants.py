"""People and agents: add, list, find, and revoke a device."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from cyclopts import App, Parameter

from foedus.base.errors import NotFound, UsageError
from foedus.surfaces.cli.errors import CommandLineError
from foedus.surfaces.cli.options import COMMON, Common, PassphraseFile, Recovery, Yes
from foedus.surfaces.cli.output import Line, Part, pairs
from foedus.surfaces.cli.text import CROSS, named
from foedus.values.access import TokenView
from foedus.values.node import ParticipantView, Placed

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
    recovery: Recovery = False,
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
    words: list[str] = []
    if custodial:
        body = {"name": name, "kind": kind, "custodial": True}
        added = node.post("/participants", ParticipantView, body)
    else:
        words, name_of_words = new_recovery() if recovery else ([], None)
        added = _enrol(node, name, kind, passphrase_file, name_of_words)
    if words and out.as_json:
        out.show({**msgspec.to_builtins(added), "recovery_words": words}, lambda _: [])
    else:
        out.show(added, participant_lines)
        out.lines(words_lines(words))
    out.next("foedus say ROOM TEXT --as {}", name)


def new_recovery() -> tuple[list[str], bytes]:
    """Return 24 fresh recovery words, and the name of their key for the first enrolment."""
    import os

    from foedus.crypto.words import to_words
    from foedus.identity.participant_recovery import SEED_BYTES, recovery_name

    seed = os.urandom(SEED_BYTES)
    return to_words(seed), recovery_name(seed)


def words_lines(words: list[str]) -> Iterable[Line]:
    """Return recovery words as one writes them down."""
    if words:
        yield [("Write these 24 words down; they are shown only now:", "bold yellow")]
        yield from ([f"  {' '.join(words[start : start + 6])}"] for start in range(0, len(words), 6))


def _enrol(node: Client, name: str, kind: str, file: PassphraseFile, recovery: bytes | None) -> ParticipantView:
    """Make the device key, durably, then let it enrol itself."""
    from foedus.base.ids import parse_id
    from foedus.surfaces.cli.client import path_of
    from foedus.surfaces.cli.devices import device_folder, new_key, sign, unlock
    from foedus.values.node import SigningContext

    folder = device_folder()
    own = parse_id(node.get("/signing", SigningContext).node)
    entry = _unused_entry(node, folder, name, own)
    if entry is None:
        entry, key = new_key(folder, _free_name(folder, name, own), kind, own, file)
    elif entry.kind == kind:
        key = unlock(folder, entry, file)
    else:
        raise UsageError(f"the key {name} was made for a {entry.kind}", code="other_kind", remedy="say so by --kind")
    act = sign(node, key, enrolment_draft(key, own, kind, name, recovery))
    node.post(path_of("participants", entry.did, "acts"), Placed, act)
    return find_one(node.get("/participants", list[ParticipantView], {"q": entry.did}), entry.did)


def enrolment_draft(key: Ed25519Key, node: bytes, kind: str, name: str, recovery: bytes | None = None) -> Draft:
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
        "recovery": recovery,
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
    """Revoke a device of a participant, for good: the same as `foedus device revoke`."""
    from foedus.surfaces.cli.device_commands import revoke as revoke_device

    revoke_device(device, as_=name, passphrase_file=passphrase_file, yes=yes, common=common)


@app.command
def token(
    name: Annotated[str, Parameter(help="The participant's name or DID.")],
    /,
    *,
    device: Annotated[str, Parameter(help="The device's key in hex, where there are several.")] = "",
    revoke: Annotated[bool, Parameter(negative="", help="End the token instead.")] = False,
    common: Common = COMMON,
) -> None:
    """Issue a bearer token for a custodial agent, or anew; the former one is void. It is shown once.

    For a device with a key of its own the token serves only with that key, and is kept beside it in your device folder.
    """
    from foedus.surfaces.cli.client import path_of

    out = common.output()
    node = common.client()
    who = find_one([who for who in node.get("/participants", list[ParticipantView]) if who.is_local], name)
    path = path_of("participants", who.did, "token")
    if revoke:
        node.tell("DELETE", path, query={"device": device})
        out.show({"did": who.did, "token": None}, lambda _: [[f"the token of {who.name} is void"]])
        out.next("foedus participant token {}", who.name)
        return
    issued = node.post(path, TokenView, {"device": device})
    if issued.bound:
        keep_profile(node, who, issued)
    out.show(issued, _token_lines)
    out.next("FOEDUS_URL=URL FOEDUS_TOKEN=… foedus room list   (there, as {})", who.name)


def keep_profile(node: Client, who: ParticipantView, issued: TokenView) -> None:
    """Keep the token beside the device's key, where that key is in this folder."""
    from foedus.adapters.device_profiles import Profile, save_profile
    from foedus.surfaces.cli.devices import device_folder

    folder = device_folder()
    for entry in folder.list():
        if entry.public.hex() == issued.device:
            profile = Profile(node.url(), who.node, who.did, issued.device, entry.name, issued.token)
            save_profile(folder.path, profile)


def _token_lines(issued: TokenView) -> Iterable[Line]:
    how = "only with its device's proof" if issued.bound else "whoever has it speaks as this agent"
    return pairs([("token", (issued.token, "bold")), ("of", issued.name), ("serves", how)])


def find_one(found: list[ParticipantView], name: str, where: str = "") -> ParticipantView:
    """Return the participant of exactly that name or DID; raise NotFound, or UsageError naming the candidates.

    ``where`` says in the error where it was looked for: " of this node".
    """
    known = [who for who in found if name in {who.known_as, who.did}]
    exact = known or [who for who in found if name == who.name]
    if not exact:
        raise NotFound(f"there is no participant {name!r}{where}", remedy="see `foedus participant list`")
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
