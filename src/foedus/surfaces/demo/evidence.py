"""What is left of a crossing: a file that a machine without a node checks, and two audit logs that hold."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from foedus.base.errors import Unavailable
from foedus.surfaces.demo.processes import PATIENCE_S, NodeProcess, eventually, surroundings


class CommandFailed(Unavailable):
    """A command ended otherwise than it had to."""

    code = "command_failed"


class ThirdMachine:
    """An empty folder with a process of its own for each command: no node, no keys, nothing to ask.

    ``folder`` is made.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder

    def verify(self, data: bytes, name: str) -> list[str]:
        """Return what an evidence file proves; raise CommandFailed, which says what is wrong with it."""
        file = self.folder / name
        file.write_bytes(data)
        shown = foedus(self.folder, "proof", "verify", file.name, "--json")
        sentences: list[str] = json.loads(shown)["proved"]
        return sentences

    def refusal(self, data: bytes, name: str) -> str:
        """Return why a file that was altered proves nothing; raise CommandFailed where it does."""
        try:
            self.verify(data, name)
        except CommandFailed as error:
            return str(error)
        raise CommandFailed(f"{name} was altered, and nobody noticed")


def foedus(folder: Path, *arguments: str) -> bytes:
    """Run a command with ``folder`` as its whole world; return its stdout, or raise CommandFailed."""
    ran = subprocess.run(  # noqa: S603  # this very Python, our own arguments
        [sys.executable, "-m", "foedus.surfaces.cli.main", *arguments],
        cwd=folder,
        env=surroundings() | {"HOME": str(folder), "FOEDUS_HOME": str(folder / "none")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    if ran.returncode:
        raise CommandFailed(_complaint(ran.stdout) or ran.stderr.decode("utf-8", "replace").strip())
    return ran.stdout


def _complaint(stdout: bytes) -> str:
    """Return the message of the error that a command with --json prints, '' where it printed none."""
    try:
        return str(json.loads(stdout)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return ""


def exported(node: NodeProcess, event: str) -> bytes:
    """Return the evidence file of a crossing, as this side holds it, once the receipt of the other is there."""
    export = ("proof", "export", event, "--home", str(node.home.path))
    return eventually(f"{node.name} holds the receipt", partial(foedus, node.home.path.parent, *export))


def audited(node: NodeProcess) -> dict[str, Any]:
    """Return what checking a node's audit log from disk found; raise CommandFailed where a row is wrong."""
    report: dict[str, Any] = json.loads(
        foedus(node.home.path.parent, "audit", "verify", "--home", str(node.home.path), "--json")
    )
    return report


def at_once(*works: Any) -> list[Any]:
    """Run functions side by side, since each waits for a process; return their results in order."""
    with ThreadPoolExecutor(len(works)) as pool:
        return [done.result() for done in [pool.submit(work) for work in works]]


def altered(data: bytes) -> bytes:
    """Return a file with its middle byte changed."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
