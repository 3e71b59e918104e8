"""How a child process begins that has one task and nothing else of this one."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path


def program_of(module: str) -> str:
    """Return the program that runs ``main`` of a module, by the paths that it is given."""
    return f"import sys; sys.path[:] = sys.argv[1:]; from {module} import main; main()"


def spawn(connection: socket.socket, program: str) -> subprocess.Popen[bytes]:
    """Start a child with ``connection`` as its only open file; ``program``: a constant, which ``program_of`` makes.

    It has no environment and no site packages' start-up code, and a process group of its own, so that Ctrl-C in the
    terminal is for the node to answer. Raises OSError, SubprocessError.
    """
    folders = [folder for folder in sys.path if Path(folder).is_absolute()]
    return subprocess.Popen(  # noqa: S603  # this interpreter, and a program that is a constant
        [sys.executable, "-I", "-S", "-c", program, *folders],
        stdin=connection.fileno(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={},
        cwd="/",
        process_group=0,
    )
