"""What documents were, in files of their own: ``HOME/documents/``. Nothing is lost with them.

They hold what people wrote. So what is dropped is overwritten first, and after a crash, in which something may have
been erased and not yet dropped, all of them go.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from foedus.adapters.key_files import write_private
from foedus.base.errors import Unavailable
from foedus.base.ids import sha256

_CLEAN = "clean"
"""The file that says that a node ended well."""
_NAME_LENGTH = 64


class MemoryBases:
    """``Bases`` that end with their process."""

    def __init__(self) -> None:
        self._held: dict[str, bytes] = {}

    def read(self, stream: str) -> bytes | None:
        """Return what was written last."""
        return self._held.get(stream)

    def write(self, stream: str, data: bytes) -> None:
        """Keep this instead of what was kept."""
        self._held[stream] = data

    def drop(self, stream: str) -> None:
        """Keep nothing of a room."""
        self._held.pop(stream, None)

    def is_empty(self) -> bool:
        """Whether nothing is kept."""
        return not self._held

    def clear(self) -> None:
        """Keep nothing."""
        self._held.clear()

    def close(self) -> None:
        """Do nothing."""


class FileBases:
    """``Bases`` in a folder. Where the last node here did not end well, it is emptied first. Raises Unavailable."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        was_clean = (folder / _CLEAN).exists()
        with suppress(FileNotFoundError):
            (folder / _CLEAN).unlink()
        self._kept = {path.name for path in folder.glob("*") if was_clean and len(path.name) == _NAME_LENGTH}
        for path in folder.glob("*"):
            if path.name not in self._kept:
                _scrub(path)

    def _path(self, stream: str) -> Path:
        return self._folder / sha256(stream.encode()).hex()

    def read(self, stream: str) -> bytes | None:
        """Return what was written last; None where there is nothing, or it cannot be read."""
        with suppress(OSError):
            return self._path(stream).read_bytes()
        return None

    def write(self, stream: str, data: bytes) -> None:
        """Keep this instead of what was kept."""
        path = self._path(stream)
        self.drop(stream)
        write_private(path, data)
        self._kept.add(path.name)

    def drop(self, stream: str) -> None:
        """Keep nothing of a room."""
        path = self._path(stream)
        if path.name in self._kept:
            _scrub(path)
            self._kept.discard(path.name)

    def is_empty(self) -> bool:
        """Whether nothing is kept."""
        return not self._kept

    def clear(self) -> None:
        """Keep nothing."""
        for name in list(self._kept):
            _scrub(self._folder / name)
        self._kept.clear()

    def close(self) -> None:
        """Note that this node ended well."""
        if self._kept:
            write_private(self._folder / _CLEAN, b"")


def _scrub(path: Path) -> None:
    """Overwrite a file, and remove it."""
    try:
        with path.open("r+b") as file:
            left = path.stat().st_size
            while left > 0:
                left -= file.write(bytes(min(left, 1 << 20)))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
    except FileNotFoundError:
        return
    except OSError as error:
        raise Unavailable(f"{path} cannot be removed: {error}") from None
