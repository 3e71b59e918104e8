"""The person's own device folder, and what its keys sign for this node."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from foedus.adapters import device_keyring
from foedus.adapters.device_folder import HUMAN, DeviceEntry, DeviceFolder
from foedus.base.clock import Instant
from foedus.base.errors import NotFound, Unavailable, UsageError
from foedus.base.ids import parse_id
from foedus.base.limits import ACT_DRIFT_MAX, NONCE_BYTES, SALT_BYTES
from foedus.crypto.ed25519 import SEED_BYTES, Ed25519Key
from foedus.identity.did import did_of
from foedus.surfaces.cli.prompts import given_passphrase, passphrase
from foedus.surfaces.cli.signing import Draft, Moment, signed_act
from foedus.surfaces.cli.text import lasting
from foedus.values.node import DeviceView, ParticipantView, SignedAct, SigningContext

if TYPE_CHECKING:
    from foedus.surfaces.cli.client import Client


def device_folder() -> DeviceFolder:
    """Return FOEDUS_DEVICE, or ~/.foedus-device."""
    return DeviceFolder(Path(os.environ.get("FOEDUS_DEVICE") or Path.home() / ".foedus-device"))


def new_key(
    folder: DeviceFolder, name: str, kind: str, node: bytes, file: Path | None
) -> tuple[DeviceEntry, Ed25519Key]:
    """Make a device key and keep it: a human's always sealed, an agent's where a passphrase is given."""
    key = Ed25519Key(os.urandom(SEED_BYTES))
    return keep_key(folder, DeviceEntry(name, did_of(key.public), node, kind, False, key.public), key, file), key  # noqa: FBT003


def keep_key(folder: DeviceFolder, entry: DeviceEntry, key: Ed25519Key, file: Path | None) -> DeviceEntry:
    """Keep a new key, sealed as ``entry`` says: by the keyring, else a human's by a passphrase."""
    if entry.keyring:
        phrase: str | None = device_keyring.new_passphrase(key.public)
    else:
        phrase = passphrase(entry.name, file, fresh=True) if entry.kind == HUMAN else given_passphrase(file)
    return folder.add(entry.name, entry.did, entry.node, entry.kind, key.seed, phrase, keyring=entry.keyring)


def unlock(folder: DeviceFolder, entry: DeviceEntry, file: Path | None) -> Ed25519Key:
    """Return the signing key of an entry, asking for its passphrase where it is sealed."""
    return folder.open(entry.name, _phrase_of(entry, file))


def signer_of(node: Client, folder: DeviceFolder, entry: DeviceEntry, file: Path | None) -> Ed25519Key:
    """Return the signing key of an entry; where the client of a participant has opened it, nobody is asked again."""
    opened = node.opened
    return opened if opened is not None and opened.public == entry.public else unlock(folder, entry, file)


def _phrase_of(entry: DeviceEntry, file: Path | None) -> str | None:
    if entry.keyring:
        return device_keyring.passphrase_of(entry.public)
    return passphrase(entry.name, file) if entry.sealed else None


def enrolled(folder: DeviceFolder, who: ParticipantView) -> tuple[DeviceEntry, DeviceView]:
    """Return a key of this folder that speaks for the participant, and its enrolment; raise NotFound."""
    valid = {device.key: device for device in who.devices if not device.revoked}
    for entry in folder.list():
        device = valid.get(entry.public.hex())
        if device is not None and entry.did == who.did and entry.node.hex() == who.node:
            return entry, device
    raise NotFound(
        f"no key in {folder.path} speaks for {who.name}",
        code="no_device_key",
        remedy="set FOEDUS_DEVICE to the folder that holds it; `foedus key list` shows what is where",
    )


def sign(node: Client, key: Ed25519Key, draft: Draft, salt: bytes = b"") -> SignedAct:
    """Sign an act for the running node, in its epoch and at this device's time. ``salt``: of what was approved."""
    context = node.get("/signing", SigningContext)
    now = checked_now(context)
    moment = Moment(parse_id(context.epoch), now, os.urandom(NONCE_BYTES), salt or os.urandom(SALT_BYTES))
    return signed_act(key, draft, moment)


def checked_now(context: SigningContext) -> Instant:
    """Return this device's time; raise Unavailable where it is too far from the node's."""
    now = time.time_ns() // 1000
    if abs(now - context.now) > ACT_DRIFT_MAX:
        raise Unavailable(
            f"the clocks of this device and of the node are {lasting(abs(now - context.now))} apart",
            code="excessive_drift",
            remedy="set the clock that is wrong: an act so far off would be rejected everywhere",
        )
    return now


def refuse_foreign(who: ParticipantView) -> None:
    """Raise UsageError where the participant is at another node: only its own node orders its acts."""
    if not who.is_local:
        raise UsageError(
            f"{who.name} is at the node {who.node_name}",
            code="not_local",
            remedy="run the command at that node",
        )
