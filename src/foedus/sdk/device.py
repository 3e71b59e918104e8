"""The key by which a person or an agent signs on this machine: in memory, or out of its device folder."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path
from typing import Literal

import msgspec

from foedus.base.clock import Instant
from foedus.base.errors import NotFound, UsageError
from foedus.base.ids import parse_id
from foedus.base.limits import NONCE_BYTES
from foedus.crypto.ed25519 import Ed25519Key
from foedus.crypto.errors import PassphraseRequired
from foedus.crypto.sealed import open_secret
from foedus.identity.did import did_of
from foedus.identity.request_proof import PROOF_HEADER, ProvedRequest, make_proof

_FILE_MAX = 65_536
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class BadKeyFile(UsageError):
    """A file is not the key of a device, or others can read it."""

    code = "bad_key_file"
    remedy = "see `foedus key list`; keys are files of mode 0600 in a folder of mode 0700"


class _File(msgspec.Struct):
    """A key file of the device folder, as ``foedus`` writes it; bytes are lowercase hex."""

    v: Literal[1]
    name: str
    did: str
    node: str
    public: str
    sealed: bool
    secret: str

    def __repr__(self) -> str:
        """Never show the secret."""
        return f"_File({self.name!r})"


class Device:
    """A participant's key. ``did``: whose it is; ``node``: the 32-byte id of their node."""

    def __init__(self, key: Ed25519Key, did: str, node: bytes) -> None:
        self.key = key
        self.did = did
        self.node = node

    def __repr__(self) -> str:
        """Never show the key."""
        return f"Device({self.did!r})"

    @classmethod
    def open(cls, folder: str | Path, name: str, passphrase: str | None = None) -> Device:
        """Return the key of that name (or DID) in a device folder: FOEDUS_DEVICE, else ~/.foedus-device.

        A passphrase that the operating system's keyring keeps is not asked for here: give it. Raises NotFound,
        BadKeyFile, PassphraseRequired or WrongPassphrase.
        """
        for path in sorted(Path(folder).expanduser().glob("*.json")):
            file = _read(path)
            if name in {file.name, file.did}:
                return cls(_key(file, path, passphrase), file.did, parse_id(file.node))
        raise NotFound(f"there is no key {name[:128]!r} in {folder}", code="device_not_found")

    @property
    def device_did(self) -> str:
        """The did:key of this key itself: what a grant to this device names."""
        return did_of(self.key.public)

    def proof(self, method: str, target: str, body: bytes, token: str) -> dict[str, str]:
        """Return the header by which a request shows that it comes from this device."""
        request = ProvedRequest(method=method, target=target, body=body, node=self.node, token=token)
        return {PROOF_HEADER: make_proof(self.key, request, now(), os.urandom(NONCE_BYTES))}


def now() -> Instant:
    """Return this machine's time."""
    return time.time_ns() // 1000


def _read(path: Path) -> _File:
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & _OTHERS:
                raise BadKeyFile(f"others can read {path}", remedy=f"chmod 600 {path}")
            return msgspec.json.decode(file.read(_FILE_MAX), type=_File)
    except OSError as error:
        raise BadKeyFile(f"{path} cannot be read: {error.strerror}") from None
    except msgspec.DecodeError:
        raise BadKeyFile(f"{path} is not a device key") from None  # its cause may quote the secret


def _key(file: _File, path: Path, passphrase: str | None) -> Ed25519Key:
    try:
        secret = bytes.fromhex(file.secret)
    except ValueError:
        raise BadKeyFile(f"{path} is not a device key") from None
    if file.sealed:
        if not passphrase:
            raise PassphraseRequired(f"the key {file.name} is sealed by a passphrase")
        secret = open_secret(secret, passphrase)
    key = Ed25519Key(secret)
    if key.public.hex() != file.public:
        raise BadKeyFile(f"{path} does not hold the secret of its public key")
    return key
