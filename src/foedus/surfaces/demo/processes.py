"""A node as a process of its own: `foedus up` on a free loopback port."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from foedus.base.errors import PeerViolation, Unavailable
from foedus.node.home import Home
from foedus.surfaces.cli.client import Client

T = TypeVar("T")

PATIENCE_S = 60.0
"""For what takes a second or two on an idle machine: many times that on one that is busy."""
_POLL_S = 0.02
_TAIL_BYTES = 4_096
_PORTS = range(10_240, 32_768)
"""Below what Linux, macOS and Windows hand out to outgoing connections: one of those could take the port of a node
that is down for a moment."""


class TookTooLong(Unavailable):
    """Something that had to happen did not."""

    code = "took_too_long"


class NodeFailed(Unavailable):
    """A node's process ended by itself."""

    code = "node_failed"


class Broken(PeerViolation):
    """What the nodes show is not what they promise."""

    code = "demo_broken"
    remedy = "this is a fault in foedus; report it with this output"


def eventually(what: str, check: Callable[[], T | None], within_s: float = PATIENCE_S) -> T:
    """Return the first true answer of ``check``, asked again and again; raise TookTooLong."""
    deadline = time.monotonic() + within_s
    said = ""
    while True:
        try:
            found = check()
            if found:
                return found
        except NodeFailed:
            raise
        except Unavailable as error:
            said = f": {error}"
        if time.monotonic() > deadline:
            raise TookTooLong(f"waited {within_s:.0f} s for this in vain: {what}{said}")
        time.sleep(_POLL_S)


def free_port() -> int:
    """Return a loopback port that nothing listens on, for a node that may stop and start there again."""
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port


class NodeProcess:
    """The node of ``home``. It keeps its port over restarts: its peers know it there."""

    def __init__(self, name: str, home: Home) -> None:
        self.name = name
        self.home = home
        self.client = Client(home)
        self.patience_s = PATIENCE_S
        self.errors = home.path.with_name(f"{home.path.name}.stderr")
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where other nodes reach it."""
        return f"http://127.0.0.1:{self._port}"

    def command(self) -> list[str]:
        """Return what is run."""
        up = ["up", "--home", str(self.home.path), "--port", str(self._port), "--json"]
        return [sys.executable, "-m", "foedus.surfaces.cli.main", *up]

    def launch(self) -> None:
        """Start the process; ``wait_ready`` must follow."""
        with self.errors.open("ab") as errors:
            self._process = subprocess.Popen(  # noqa: S603  # this very Python, our own arguments
                self.command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, env=surroundings()
            )

    def wait_ready(self) -> None:
        """Wait until it says that it serves; raise NodeFailed or TookTooLong."""
        eventually(f"{self.name} starts", self._is_ready, self.patience_s)

    def _is_ready(self) -> bool:
        process = self._running()
        if process.poll() is not None:
            raise NodeFailed(f"{self.name} ended with status {process.returncode}: {self.complaint()}")
        info = self.home.running()
        return info is not None and info.pid == process.pid

    def start(self) -> None:
        """Start it and wait until it serves."""
        self.launch()
        self.wait_ready()

    def stop(self) -> None:
        """Stop it cleanly by SIGTERM; raise NodeFailed where it does not end well."""
        process = self._running()
        process.terminate()
        try:
            status = process.wait(self.patience_s)
        except subprocess.TimeoutExpired:
            raise TookTooLong(f"{self.name} did not stop within {self.patience_s:.0f} s of SIGTERM") from None
        self._process = None
        if status:
            raise NodeFailed(f"{self.name} ended with status {status}: {self.complaint()}")

    def kill(self) -> None:
        """Kill it by SIGKILL, as a power cut would."""
        process = self._running()
        process.send_signal(signal.SIGKILL)
        process.wait()
        self._process = None

    def end(self) -> None:
        """Leave nothing running, whatever the state."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def complaint(self) -> str:
        """Return the end of what it said on stderr."""
        return _tail(self.errors)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise NodeFailed(f"{self.name} is not running")
        return self._process


def surroundings() -> dict[str, str]:
    """Return this process's environment without what would lead the nodes to other folders."""
    return {name: value for name, value in os.environ.items() if not name.startswith("FOEDUS_")}


def _tail(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError:
        return ""
    return data[-_TAIL_BYTES:].decode("utf-8", "replace").strip()
