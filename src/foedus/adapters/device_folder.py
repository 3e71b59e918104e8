"""A person's own device folder: the keys of their participants, on the machine they sit at.

The folder (0700) is theirs, not the node's. Each key is one JSON file (0600), named by its public
key: the secret, sealed by a passphrase where one was given, and what it is for. A human's key is
always sealed, since what it signs counts as that human's word.
"""

from __future__ import annotations

import builtins
import os
from typing import TYPE_CHECKING, Literal

import msgspec

from foedus.adapters.key_files import DamagedKeyFile, KeyFileMissing, read_private, write_private
from foedus.base.errors import NotFound, UsageError
from foedus.base.limits import NAME_MAX
from foedus.crypto.aead import NONCE_BYTES
from foedus.crypto.ed25519 import Ed25519Key
from foedus.crypto.errors import DamagedSecret, PassphraseRequired
from foedus.crypto.sealed import MODERATE, SALT_BYTES, Cost, open_secret, seal_secret

if TYPE_CHECKING:
    from pathlib import Path

HUMAN = "human"
AGENT = "agent"


class DeviceEntry(msgspec.Struct, frozen=True):
    """What a device key is for; no secret in it.

    ``name`` is the person's word for it, unique in the folder; ``did`` the participant's; ``node`` the
    32-byte id of their node; ``kind`` "human" or "agent"; ``public`` the 32-byte Ed25519 key. ``keyring``: its
    passphrase is one that the operating system keeps (``adapters.device_keyring``).
    """

    name: str
    did: str
    node: bytes
    kind: str
    sealed: bool
    public: bytes
    keyring: bool = False


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One key file as JSON; bytes are lowercase hex. ``secret`` is the seed, sealed or plain."""

    v: Literal[1]
    name: str
    did: str
    node: str
    kind: Literal["human", "agent"]
    public: str
    sealed: bool
    secret: str
    keyring: bool = False

    def __repr__(self) -> str:
        return f"_File(name={self.name!r})"


class DeviceFolder:
    """The device keys in ``path``, made at the first ``add``. ``cost`` is the work of sealing (tests lower it)."""

    def __init__(self, path: Path, cost: Cost = MODERATE) -> None:
        self.path = path
        self._cost = cost

    def add(  # noqa: PLR0913  # what a key file holds
        self,
        name: str,
        did: str,
        node: bytes,
        kind: str,
        seed: bytes,
        passphrase: str | None,
        *,
        keyring: bool = False,
    ) -> DeviceEntry:
        """Keep the key of ``seed`` (32 bytes), durably, and return its entry.

        ``kind`` is "human" or "agent". A human's key needs a ``passphrase`` (PassphraseRequired); an
        agent's without one is stored open, behind the file's rights alone. Raises UsageError
        ``bad_device_name``, ``bad_device_kind`` or ``device_exists`` (this name or this key is in use).
        """
        key = Ed25519Key(seed)
        _check_words(name, kind)
        if kind == HUMAN and not passphrase:
            raise PassphraseRequired(f"{name} signs as a person, so its key must be sealed by a passphrase")
        self._refuse_known(name, key.public)
        entry = DeviceEntry(name, did, node, kind, bool(passphrase), key.public, keyring)
        secret = self._seal(seed, passphrase) if passphrase else seed
        write_private(self._path_of(key.public), _to_json(entry, secret))
        return entry

    def list(self) -> builtins.list[DeviceEntry]:
        """Return the entries, by name; an absent folder has none. Raises as ``read_private`` does."""
        return sorted((entry for entry, _ in self._entries()), key=lambda entry: entry.name)

    def open(self, name_or_did: str, passphrase: str | None) -> Ed25519Key:
        """Return the signing key of that name, or of that DID where it has one key here.

        Raises NotFound ``device_not_found``, UsageError ``device_ambiguous``, PassphraseRequired,
        WrongPassphrase, DamagedKeyFile.
        """
        entry, secret = self._find(name_or_did)
        seed = self._unseal(entry, secret, passphrase) if entry.sealed else secret
        if len(seed) != len(entry.public):
            raise self._damaged(entry.public)
        key = Ed25519Key(seed)
        if key.public != entry.public:
            raise self._damaged(entry.public)
        return key

    def _seal(self, seed: bytes, passphrase: str) -> bytes:
        return seal_secret(seed, passphrase, os.urandom(SALT_BYTES), os.urandom(NONCE_BYTES), self._cost)

    def _unseal(self, entry: DeviceEntry, secret: bytes, passphrase: str | None) -> bytes:
        if not passphrase:
            raise PassphraseRequired(f"the key {entry.name} is sealed by a passphrase")
        try:
            return open_secret(secret, passphrase)
        except DamagedSecret as error:
            raise DamagedKeyFile(f"{self._path_of(entry.public)}: {error.message}") from None

    def _refuse_known(self, name: str, public: bytes) -> None:
        for entry in self.list():
            if name == entry.name or public == entry.public:
                raise UsageError(
                    f"there is a key {entry.name} in {self.path}",
                    code="device_exists",
                    remedy="choose another name, or use the key that is there",
                    http_status=409,
                )

    def _find(self, name_or_did: str) -> tuple[DeviceEntry, bytes]:
        entries = self._entries()
        named = [found for found in entries if found[0].name == name_or_did]
        found = named or [found for found in entries if found[0].did == name_or_did]
        if not found:
            raise NotFound(
                f"there is no key {name_or_did[:NAME_MAX]!r} in {self.path}",
                code="device_not_found",
                remedy="see `foedus key list` for the keys that are there",
            )
        if len(found) > 1:
            names = ", ".join(sorted(entry.name for entry, _ in found))
            raise UsageError(f"several keys have this DID: {names}", code="device_ambiguous", remedy="name one of them")
        return found[0]

    def _entries(self) -> builtins.list[tuple[DeviceEntry, bytes]]:
        """Read every key file: (entry, secret as stored). One removed in between is not there."""
        entries = []
        for path in sorted(self.path.glob("*.json")):
            try:
                entries.append(self._from_json(path, read_private(path)))
            except KeyFileMissing:
                continue
        return entries

    def _from_json(self, path: Path, data: bytes) -> tuple[DeviceEntry, bytes]:
        """Parse one file; causes are cut off, since they may quote the secret."""
        try:
            file = msgspec.json.decode(data, type=_File)
            public, node, secret = (bytes.fromhex(text) for text in (file.public, file.node, file.secret))
        except (msgspec.DecodeError, ValueError):
            raise DamagedKeyFile(f"{path} is not a device key") from None
        if path != self._path_of(public):
            raise DamagedKeyFile(f"{path} is not named by the key that it holds")
        return DeviceEntry(file.name, file.did, node, file.kind, file.sealed, public, file.keyring), secret

    def _damaged(self, public: bytes) -> DamagedKeyFile:
        return DamagedKeyFile(f"{self._path_of(public)} does not hold the secret of its public key")

    def _path_of(self, public: bytes) -> Path:
        return self.path / f"{public.hex()}.json"


def _to_json(entry: DeviceEntry, secret: bytes) -> bytes:
    """Return the file's bytes, indented: a person may open it to see what it is."""
    fields = msgspec.structs.asdict(entry)
    shown = {key: value.hex() if isinstance(value, bytes) else value for key, value in fields.items()}
    return msgspec.json.format(msgspec.json.encode({"v": 1, **shown, "secret": secret.hex()}), indent=2) + b"\n"


def _check_words(name: str, kind: str) -> None:
    """Refuse a name that a list cannot show, and kinds other than the two."""
    if not 1 <= len(name) <= NAME_MAX or not name.isprintable() or name.startswith("did:"):
        raise UsageError(
            "a device name is one line of at most 128 characters, and not a DID",
            code="bad_device_name",
            remedy="choose a short name, such as the person's and the machine's: ada-laptop",
        )
    if kind not in (HUMAN, AGENT):
        raise UsageError(f"{kind[:NAME_MAX]!r} is no kind", code="bad_device_kind", remedy="say human or agent")
