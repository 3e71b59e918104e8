"""One process per home folder: two nodes with one key would fork every chain that they write."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Self

from foedus.adapters.log_errors import ReadOnly
from foedus.base.errors import UsageError

_NAME = "lock"
_PRIVATE = 0o600
_PID_DIGITS = 20


class HomeLocked(UsageError):
    """Another process runs on this home folder."""

    code = "home_locked"
    http_status = 409
    remedy = "use that process, or stop it first; for a second node give another folder with --home"


class HomeLock:
    """Holds ``folder/lock`` from construction to ``release``. The kernel lets go when the process dies.

    Raises HomeLocked, naming the holder's process id.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / _NAME
        try:
            self._file: int | None = os.open(path, os.O_RDWR | os.O_CREAT, _PRIVATE)
        except OSError as error:
            raise ReadOnly(f"{path}: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._file, _PID_DIGITS, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            raise HomeLocked(f"{folder} is in use by process {holder}") from error
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let go. The file stays: removing it would let two processes lock two files of one name."""
        if self._file is not None:
            with suppress(OSError):
                os.ftruncate(self._file, 0)
                fcntl.flock(self._file, fcntl.LOCK_UN)  # a child that is just being started shares the open file
            os.close(self._file)
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
