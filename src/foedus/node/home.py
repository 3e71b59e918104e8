"""The home folder of a node: where its keys, its token and its log are."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import msgspec

from foedus import __version__
from foedus.adapters.device_folder import DeviceFolder
from foedus.adapters.home_lock import HomeLock
from foedus.adapters.key_files import (
    NodeKeys,
    discard_staged_keys,
    keys_from_seeds,
    promote_staged_keys,
    read_node_keys,
    read_private,
    read_staged_keys,
    stage_node_keys,
    write_node_keys,
    write_private,
    write_public,
)
from foedus.adapters.sqlite_log import SqliteLog
from foedus.base.errors import NotFound, UsageError
from foedus.base.limits import NAME_MAX
from foedus.crypto.words import to_words
from foedus.identity.did import did_of
from foedus.identity.record import SignedRecord, first_record
from foedus.identity.recovery import RecoverySecrets
from foedus.log.port import Commit, Value
from foedus.values.node import IdentityView

SETTINGS = "settings"
_FOLDER_MODE = 0o700


class RunningInfo(msgspec.Struct, frozen=True):
    """What HOME/node.json says while the node runs."""

    url: str
    pid: int
    node: str


@dataclass(frozen=True)
class Home:
    """The paths of a home folder."""

    path: Path

    @classmethod
    def default(cls) -> Home:
        """Return FOEDUS_HOME, or ~/.foedus."""
        return cls(Path(os.environ.get("FOEDUS_HOME") or Path.home() / ".foedus"))

    @property
    def keys(self) -> Path:
        """The folder of the node's keys."""
        return self.path / "keys"

    @property
    def agents(self) -> Path:
        """The device folder of the agents whose keys the node keeps."""
        return self.path / "agents"

    def agent_keys(self) -> DeviceFolder:
        """Return the keys of those agents."""
        return DeviceFolder(self.agents)

    @property
    def database(self) -> Path:
        """The log."""
        return self.path / "foedus.db"

    @property
    def audit(self) -> Path:
        """The audit log."""
        return self.path / "audit.db"

    @property
    def knowledge(self) -> Path:
        """The index of knowledge, which is made from the log."""
        return self.path / "knowledge.db"

    @property
    def blobs(self) -> Path:
        """The chunks of blobs."""
        return self.path / "blobs.db"

    @property
    def documents(self) -> Path:
        """What the documents of rooms were when this node last looked, which is made from the log."""
        return self.path / "documents"

    @property
    def policy_path(self) -> Path:
        """What the operator decided beforehand, if anything."""
        return self.path / "foedus.toml"

    @property
    def token_path(self) -> Path:
        """The operator's bearer token."""
        return self.path / "token"

    @property
    def info_path(self) -> Path:
        """Where a running node says its address."""
        return self.path / "node.json"

    def exists(self) -> bool:
        """Whether a node was made here."""
        return self.database.exists()

    def require(self) -> None:
        """Raise NotFound where no node was made here."""
        if not self.exists():
            raise NotFound(
                f"there is no node in {self.path}",
                code="no_home",
                remedy="make one with `foedus init`, or name another folder with --home",
            )

    def token(self) -> str:
        """Return the operator's token."""
        return read_private(self.token_path).decode("ascii", "replace").strip()

    def ensure_token(self) -> str:
        """Return the operator's token; make one where it was lost: it opens nothing but this node's own API."""
        if not self.token_path.exists():
            write_private(self.token_path, secrets.token_urlsafe(32).encode() + b"\n")
        return self.token()

    def node_keys(self) -> NodeKeys:
        """Return the keys in use."""
        return read_node_keys(self.keys)

    def say_running(self, url: str, node: bytes) -> None:
        """Write HOME/node.json."""
        info = RunningInfo(url=url, pid=os.getpid(), node=node.hex())
        write_public(self.info_path, msgspec.json.encode(info) + b"\n")

    def say_stopped(self) -> None:
        """Remove HOME/node.json."""
        self.info_path.unlink(missing_ok=True)

    def running(self) -> RunningInfo | None:
        """Return what a running (or killed) node wrote, or None."""
        try:
            return msgspec.json.decode(self.info_path.read_bytes(), type=RunningInfo)
        except (OSError, msgspec.DecodeError):
            return None

    def stage_keys(self, keys: NodeKeys) -> None:
        """Keep the keys of an epoch that is about to be opened; ``promote_keys`` or ``settle_keys`` follows."""
        stage_node_keys(self.keys, keys)

    def promote_keys(self) -> NodeKeys:
        """Put the staged keys into use, and return them."""
        return promote_staged_keys(self.keys)

    def settle_keys(self, newest: SignedRecord) -> NodeKeys:
        """Finish or undo a rotation that a crash cut short, and return the keys of ``newest``."""
        staged = read_staged_keys(self.keys)
        if staged is not None:
            if staged.ed25519.public == newest.record.keys.ed25519:
                return self.promote_keys()
            discard_staged_keys(self.keys)
        return self.node_keys()


def check_name(name: str) -> str:
    """Return the name, trimmed; raise UsageError where it is empty, too long or holds control characters."""
    trimmed = name.strip()
    if not trimmed or len(trimmed) > NAME_MAX or not trimmed.isprintable():
        raise UsageError(
            f"{name[:40]!r} cannot be a name",
            code="bad_name",
            remedy=f"use 1 to {NAME_MAX} printable characters",
        )
    return trimmed


def create_home(home: Home, name: str) -> tuple[IdentityView, list[str]]:
    """Make a node: keys, identity record 0, token and log. Return it and the 24 recovery words, kept nowhere."""
    name = check_name(name)
    home.path.mkdir(parents=True, exist_ok=True, mode=_FOLDER_MODE)
    home.path.chmod(_FOLDER_MODE)
    with HomeLock(home.path):
        if home.exists():
            raise UsageError(
                f"there is a node in {home.path} already",
                code="home_exists",
                remedy="start it with `foedus up`, or name another folder with --home",
            )
        seed = secrets.token_bytes(32)
        keys = _imported(home) or keys_from_seeds(*(secrets.token_bytes(32) for _ in range(3)))
        record = first_record(keys, RecoverySecrets(seed).hash, secrets.token_bytes(32))
        write_node_keys(home.keys, keys)
        home.ensure_token()
        log = SqliteLog(home.database)
        try:
            settings = [Value(SETTINGS, b"name", name.encode()), Value(SETTINGS, b"node", record.node)]
            log.commit(Commit(records=[(record.id, record.encode())], values=settings))
        finally:
            log.close()
    return identity_view(record, name, []), to_words(seed)


def _imported(home: Home) -> NodeKeys | None:
    """Return the keys that `foedus key import` put into a home without a log; a crash in `init` leaves such, too."""
    try:
        return home.node_keys()
    except NotFound:
        return None


def identity_view(record: SignedRecord, name: str, endpoints: list[str]) -> IdentityView:
    """Return what may be told to anyone about the node of ``record``."""
    public = record.record.keys.ed25519
    return IdentityView(
        node=record.node.hex(),
        epoch=record.id.hex(),
        epoch_number=record.record.n,
        did=did_of(public),
        name=name,
        version=__version__,
        ed25519=public.hex(),
        endpoints=endpoints,
    )
