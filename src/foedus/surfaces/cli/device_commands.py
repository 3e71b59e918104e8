"""The devices of a participant: list them, and revoke a lost one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeAlias

from cyclopts import App, Parameter

from foedus.base.errors import NotFound
from foedus.surfaces.cli.options import COMMON, Common, PassphraseFile, Yes
from foedus.surfaces.cli.participants import find_one
from foedus.surfaces.cli.prompts import confirm
from foedus.values.node import ParticipantView, Placed

if TYPE_CHECKING:
    from foedus.crypto.ed25519 import Ed25519Key
    from foedus.surfaces.cli.client import Client

app = App(name="device", help="The devices of a participant: list them, and revoke a lost one.")

As: TypeAlias = Annotated[
    str,
    Parameter(name="--as", metavar="NAME", help="The participant. Needed where you ask as the node's operator."),
]
WordsFile: TypeAlias = Annotated[
    Path | None,
    Parameter(
        metavar="FILE",
        allow_leading_hyphen=True,
        help="Sign by the participant's recovery key: read its 24 words from a file ('-': standard input).",
    ),
]


class Authority(NamedTuple):
    """What signs for a participant: an enrolled device, which cites its enrolment, or the recovery key."""

    key: Ed25519Key
    auth: tuple[bytes, ...]


@app.command(name="list")
def list_(*, as_: As = "", common: Common = COMMON) -> None:
    """List the devices of a participant, with the fingerprints of their keys."""
    from foedus.identity.pairing import fingerprint

    out = common.output()
    who = whose(common.client(), as_)
    if out.as_json:
        out.show(who.devices, lambda _: [])
    else:
        rows = (
            [
                device.name,
                "revoked" if device.revoked else "in force",
                fingerprint(bytes.fromhex(device.key)),
                device.key,
            ]
            for device in who.devices
        )
        out.table(["device", "", "fingerprint", "key"], rows)
    out.next("foedus device revoke KEY --as {}", who.name)


@app.command
def revoke(  # each is an option of the command line
    key: Annotated[str, Parameter(help="The device's key in hex, or its first digits, as `foedus device list` shows.")],
    /,
    *,
    as_: As = "",
    words_file: WordsFile = None,
    passphrase_file: PassphraseFile = None,
    yes: Yes = False,
    common: Common = COMMON,
) -> None:
    """Revoke a device, for good, from another one or by the recovery words. Its token and its streams end at once.

    What it signed until now stands; later acts are rejected.
    """
    from foedus.base.ids import parse_id
    from foedus.surfaces.cli.client import path_of

    out = common.output()
    node = common.client(passphrase_file)
    who = whose(node, as_)
    device = _device_of(who, key)
    confirm(f"Revoke the device {device} of {who.name} for good?", yes=yes)
    authority = authority_of(node, who, passphrase_file, words_file)
    cuts = node.get(path_of("participants", who.did, "devices", device, "cuts"), list[tuple[str, int, str]])
    body = {"device": parse_id(device), "cuts": [[parse_id(chain), seq, parse_id(last)] for chain, seq, last in cuts]}
    placed = order(node, who, authority, "device.revoke", body)
    out.show(placed, lambda _: [[f"revoked by event {placed.id}"]])
    out.next("foedus device list --as {}", who.name)


def _device_of(who: ParticipantView, key: str) -> str:
    found = [held.key for held in who.devices if key and held.key.startswith(key) and not held.revoked]
    if len(found) != 1:
        raise NotFound(
            f"{who.name} has {len(found) or 'no'} such {'devices' if len(found) > 1 else 'device'} in force",
            code="device_not_found",
            remedy=f"see `foedus device list --as {who.did}`",
        )
    return found[0]


def whose(node: Client, name: str) -> ParticipantView:
    """Return the local participant that is meant: the named one, else whoever asks; raise NotFound or UsageError."""
    from foedus.surfaces.cli.devices import refuse_foreign
    from foedus.surfaces.cli.speaking import choose_speaker

    wanted = name or node.speaker()
    found = node.get("/participants", list[ParticipantView], {"q": wanted})
    with_devices = [who for who in found if who.is_local and who.custody == "device"]
    who = find_one(found, wanted) if wanted else choose_speaker(with_devices, "")
    refuse_foreign(who)
    return who


def authority_of(node: Client, who: ParticipantView, file: Path | None, words_file: Path | None) -> Authority:
    """Return what signs for a participant here: its recovery words where they are given, else a key of this folder."""
    from foedus.base.ids import parse_id
    from foedus.crypto.words import from_words
    from foedus.identity.participant_recovery import recovery_key
    from foedus.surfaces.cli.devices import device_folder, enrolled, signer_of
    from foedus.surfaces.cli.prompts import read_text

    if words_file is not None:
        return Authority(recovery_key(from_words(read_text(words_file))), ())
    folder = device_folder()
    entry, device = enrolled(folder, who)
    return Authority(signer_of(node, folder, entry, file), (parse_id(device.enrolment),))


def order(node: Client, who: ParticipantView, authority: Authority, kind: str, body: dict[str, Any]) -> Placed:
    """Sign an act for the participant's own stream, and have the node order it."""
    from foedus.log.streams import participant
    from foedus.surfaces.cli.client import path_of
    from foedus.surfaces.cli.devices import sign
    from foedus.surfaces.cli.signing import Draft

    draft = Draft(who.did, participant(who.did), kind, body, auth=authority.auth)
    return node.post(path_of("participants", who.did, "acts"), Placed, sign(node, authority.key, draft))
