"""The command in a real terminal (a pty): it asks, it colours, it wraps."""

import os
import pty
import subprocess
import sys

import pytest
from msgspec.structs import replace

from foedus.surfaces.cli import main as main_module
from tests.surfaces.cli.samples import BANK, CONNECTED, MESSAGE, PEER, STATUS


def in_terminal(*arguments, typed=b"", **environment):
    """Run foedus with a terminal on all three streams and return its exit code and what the screen got."""
    controller, terminal = pty.openpty()
    command = [sys.executable, "-m", main_module.__name__, *arguments]
    with subprocess.Popen(
        command,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "60"} | environment,
        close_fds=True,
    ) as started:
        os.close(terminal)
        os.write(controller, typed)
        shown = b""
        while chunk := _read(controller):
            shown += chunk
        code = started.wait()
    os.close(controller)
    return code, shown.decode()


def _read(controller):
    try:
        return os.read(controller, 65_536)
    except OSError:  # Linux says EIO where the last program closed the terminal
        return b""


@pytest.mark.parametrize(("typed", "code"), [(b"y\n", 0), (b"n\n", 1)])
def test_a_person_is_asked(node, typed, code):
    node.on("GET", "/peers/bigbank", PEER).on("POST", f"/peers/{BANK}/accept", CONNECTED)
    ended, shown = in_terminal("peer", "accept", "bigbank", typed=typed)
    assert ended == code
    assert "Accept it as CORE? This signs an agreement with it. [y/N]" in shown
    assert len(node.bodies("POST", f"/peers/{BANK}/accept")) == (1 if code == 0 else 0)


def test_a_screen_gets_colour_unless_it_is_refused(node):
    node.on("GET", "/status", STATUS)
    assert "\x1b[1;31m" in in_terminal("status")[1]
    assert "\x1b[1;31m" not in in_terminal("status", NO_COLOR="1")[1]


def test_a_long_message_is_wrapped_to_the_screen(node):
    long = replace(MESSAGE, text="word " * 40)
    node.on("GET", "/rooms/general/messages", {"messages": [long], "cursor": "c"})
    _, shown = in_terminal("room", "read", "general", NO_COLOR="1")
    lines = [line for line in shown.replace("\r", "").split("\n") if "word" in line]
    assert len(lines) > 2
    assert all(len(line) <= 60 and line.startswith("    word") for line in lines)
