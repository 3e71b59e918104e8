"""A node's keys on disk, and files that are private and never half written.

``HOME/keys`` (0700) holds ``node.keys`` (0600): one DAG-CBOR map of the three seeds, so that a change
of keys is one rename and no crash can mix old and new. Beside it lie ``ed25519.pub``, ``mldsa65.pub``
and ``xwing.pub`` (hex, 0644), which are for people and scripts: foedus never reads them.

A rotation stages first: ``stage_node_keys`` makes the new keys durable, then the identity record that
names them is signed by both and stored, then ``promote_staged_keys`` puts them in force. After a
crash, the record in force says which to do: promote the staged keys if it names them, else discard them.
"""

from __future__ import annotations

import os
import shlex
import stat
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from foedus.base import cbor
from foedus.base.errors import NotFound, PeerViolation, Unavailable, UsageError
from foedus.crypto.ed25519 import Ed25519Key
from foedus.crypto.mldsa import MlDsaKey
from foedus.crypto.xwing import XWingKey

if TYPE_CHECKING:
    from collections.abc import Iterator

NODE_KEYS = "node.keys"
STAGED_KEYS = "staged.keys"
PRIVATE_FILE_MAX = 65_536
"""Bytes of a private file that are read: seeds and sealed secrets have some hundred."""

_FOLDER_MODE = 0o700
_PRIVATE_MODE = 0o600
_PUBLIC_MODE = 0o644
_OTHERS = 0o077


class RightsTooWide(UsageError):
    """Others on this machine may read or change a private file or its folder."""

    code = "rights_too_wide"


class DamagedKeyFile(UsageError):
    """A key file is cut short, garbled, or not what its name says."""

    code = "damaged_key_file"
    remedy = "bring the file back from a backup; if there is none, recover the node with its 24 words"


class KeyFileMissing(NotFound):
    """There is no such key file."""

    code = "key_file_missing"
    remedy = "bring the file back from a backup; if there is none, recover the node with its 24 words"


@dataclass(frozen=True, slots=True)
class NodeKeys:
    """The three keys of a node in one epoch. Its repr shows public keys only."""

    ed25519: Ed25519Key
    mldsa65: MlDsaKey
    xwing: XWingKey


class _Seeds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ``node.keys`` holds: three seeds of 32 bytes."""

    ed25519: bytes
    mldsa65: bytes
    xwing: bytes


def keys_from_seeds(ed25519: bytes, mldsa65: bytes, xwing: bytes) -> NodeKeys:
    """Return the keys of three 32-byte seeds; raise ValueError on another length."""
    return NodeKeys(Ed25519Key(ed25519), MlDsaKey(mldsa65), XWingKey(xwing))


# --- the node's keys ------------------------------------------------------------------------------


def write_node_keys(folder: Path, keys: NodeKeys) -> None:
    """Put ``keys`` in force in ``folder`` (HOME/keys, made if absent): all three by one rename, or none.

    The ``.pub`` files follow, and lag behind if the disk fails between; writing again mends them.
    Raises RightsTooWide, and Unavailable where the disk fails.
    """
    write_private(folder / NODE_KEYS, _packed(keys))
    _write_public_halves(folder, keys)


def read_node_keys(folder: Path) -> NodeKeys:
    """Return the keys in force; raise KeyFileMissing, RightsTooWide or DamagedKeyFile."""
    return _read_keys(folder / NODE_KEYS)


def stage_node_keys(folder: Path, keys: NodeKeys) -> None:
    """Make ``keys`` durable beside those in force, before an identity record names them."""
    write_private(folder / STAGED_KEYS, _packed(keys))


def read_staged_keys(folder: Path) -> NodeKeys | None:
    """Return the keys that a rotation staged, or None where none is under way."""
    try:
        return _read_keys(folder / STAGED_KEYS)
    except KeyFileMissing:
        return None


def promote_staged_keys(folder: Path) -> NodeKeys:
    """Put the staged keys in force in one rename and return them; raise KeyFileMissing where none are staged."""
    keys = _read_keys(folder / STAGED_KEYS)
    with _disk(folder / NODE_KEYS):
        (folder / STAGED_KEYS).replace(folder / NODE_KEYS)
        _sync_folder(folder)
    _write_public_halves(folder, keys)
    return keys


def discard_staged_keys(folder: Path) -> None:
    """Forget staged keys that no identity record names; without any, do nothing."""
    with _disk(folder / STAGED_KEYS):
        (folder / STAGED_KEYS).unlink(missing_ok=True)
        if folder.is_dir():
            _sync_folder(folder)


def export_hex(keys: NodeKeys) -> str:
    """Return the three SECRET seeds as text, one "name hex" a line, for paper or a vault. Never log it."""
    return "".join(f"{name} {seed.hex()}\n" for name, seed in _seeds_of(keys).items())


def import_hex(text: str) -> NodeKeys:
    """Return the keys of a text that ``export_hex`` made; raise DamagedKeyFile, which shows no secret."""
    words = text.split()
    try:
        found = {name: bytes.fromhex(seed) for name, seed in zip(words[::2], words[1::2], strict=True)}
        return keys_from_seeds(**found)
    except (ValueError, TypeError):
        raise DamagedKeyFile(
            "this is not an export of node keys",
            remedy="give the three lines that `foedus key export` printed: ed25519, mldsa65, xwing",
        ) from None


def _seeds_of(keys: NodeKeys) -> dict[str, bytes]:
    return {"ed25519": keys.ed25519.seed, "mldsa65": keys.mldsa65.seed, "xwing": keys.xwing.seed}


def _packed(keys: NodeKeys) -> bytes:
    return cbor.encode(_seeds_of(keys))


def _read_keys(path: Path) -> NodeKeys:
    """Read one map of seeds. The errors' causes are cut off: they would quote bytes of the file."""
    data = read_private(path)
    try:
        seeds = cbor.decode_as(data, _Seeds)
        return keys_from_seeds(seeds.ed25519, seeds.mldsa65, seeds.xwing)
    except (PeerViolation, ValueError):
        raise DamagedKeyFile(f"{path} does not hold the keys of a node") from None


def _write_public_halves(folder: Path, keys: NodeKeys) -> None:
    for name, key in (("ed25519", keys.ed25519), ("mldsa65", keys.mldsa65), ("xwing", keys.xwing)):
        write_public(folder / f"{name}.pub", key.public.hex().encode() + b"\n")


# --- private files --------------------------------------------------------------------------------


def write_private(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` (0600), whole or not at all; when it returns, the disk has it.

    The folder is made (0700) where absent, and refused with RightsTooWide where others may enter it.
    Raises Unavailable where the disk fails; the old content then stays. Killed in between, a hidden
    temporary file, as private as the target, may remain.
    """
    with _disk(path):
        path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        _refuse_wide(path.parent, path.parent.stat().st_mode)
        _replace(path, data, _PRIVATE_MODE)


def write_public(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` (0644), whole or not at all.

    Raises KeyFileMissing where the folder is absent, Unavailable where the disk fails.
    """
    with _disk(path):
        _replace(path, data, _PUBLIC_MODE)


def read_private(path: Path) -> bytes:
    """Return the bytes of a private file.

    Raises KeyFileMissing; RightsTooWide, with the command that mends it, where group or others may
    reach the file or its folder; DamagedKeyFile where it is empty or over 64 KiB; Unavailable.
    """
    with _disk(path), path.open("rb") as file:
        # The rights of the open file, not of the name: the name may change hands in between.
        _refuse_wide(path, os.fstat(file.fileno()).st_mode)
        _refuse_wide(path.parent, path.parent.stat().st_mode)
        data = file.read(PRIVATE_FILE_MAX + 1)
    if not 0 < len(data) <= PRIVATE_FILE_MAX:
        raise DamagedKeyFile(f"{path} is empty or far too long")
    return data


def check_rights(home: Path) -> list[str]:
    """Return, for each private path under ``home`` that others can reach, what is wrong and the command that mends it.

    Looks at HOME, HOME/keys, everything in it but ``*.pub``, and HOME/token. An empty list is good.
    """
    keys = home / "keys"
    inside = sorted(path for path in keys.glob("*") if path.suffix != ".pub") if keys.is_dir() else []
    problems: list[str] = []
    for path in (home, keys, *inside, home / "token"):
        try:
            _refuse_wide(path, path.stat().st_mode)
        except FileNotFoundError:
            continue
        except RightsTooWide as error:
            problems.append(f"{error.message}: {error.remedy}")
    return problems


def _refuse_wide(path: Path, mode: int) -> None:
    """Raise RightsTooWide where group or others have any right in ``mode``."""
    if mode & _OTHERS:
        wanted = _FOLDER_MODE if stat.S_ISDIR(mode) else _PRIVATE_MODE
        raise RightsTooWide(
            f"others on this machine can reach {path} (rights {stat.S_IMODE(mode):04o})",
            remedy=f"run `chmod {wanted:o} {shlex.quote(str(path))}`",
        )


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    """Turn what the disk refuses about ``path`` into KeyFileMissing or Unavailable."""
    try:
        yield
    except FileNotFoundError:
        raise KeyFileMissing(f"there is no {path}") from None
    except OSError as error:
        raise Unavailable(
            f"{path}: {error.strerror or error}",
            code="key_storage",
            remedy="check the disk's space and health, and that this user owns the folder",
        ) from error


def _replace(path: Path, data: bytes, mode: int) -> None:
    """Write a temporary file in the same folder, make it durable, rename it over ``path``."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)  # mkstemp made it 0600, whatever the umask
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
    except BaseException:
        temporary.unlink()
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make a rename durable: it is a write to the folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
