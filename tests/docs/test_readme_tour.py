"""The tour of the README is run as it stands: its blocks, in order, by one bash in an empty folder."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from foedus.surfaces.demo.processes import free_port
from tests.docs.pages import blocks, read, section

_PATIENCE_S = 240
_NODES = ("oak", "elm")


def _script() -> str:
    tour = "\n".join(blocks(section(read("README.md"), "A five-minute tour"), "sh"))
    return tour.replace("8102", str(free_port())).replace("8103", str(free_port()))


def _environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FOEDUS_")}
    return kept | {"HOME": str(home), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


@pytest.mark.slow
def test_the_tour_works_as_typed(tmp_path):
    folder = tmp_path / "tour"
    folder.mkdir()
    bash = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", _script()],
        cwd=folder,
        env=_environment(tmp_path),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        shown, said = bash.communicate(timeout=_PATIENCE_S)
    finally:
        _end(bash)
    logs = "".join((folder / f"{name}.log").read_text() for name in _NODES if (folder / f"{name}.log").exists())
    assert bash.returncode == 0, f"{shown}\n{said}\n{logs}"
    assert "Traceback" not in said + logs
    _check(shown)
    assert {path.name for path in tmp_path.iterdir()} == {"tour"}, "something was written outside the tour's folders"


def _check(shown: str) -> None:
    assert shown.count("id     ") >= len(_NODES)
    assert re.search(r"note +shall we share a room\?", shown)
    assert re.search(r"oak\S* +[0-9a-f]{12} +connected", shown)
    assert re.search(r"bea \(\w+\), human, at elm \(\w+\) +✓ verified\n +bea is, and listens", shown)
    assert re.search(
        r'"scout" \(\w+\), agent, at "oak" \(\w+\) +✓ verified\n +six boats came in while elm was away', shown
    )
    assert re.search(r"tally \(\w+\), agent, at elm \(\w+\) +✓ verified\n +may I count the boats\?", shown)
    assert re.search(r"✓ It crossed in the name of did:key:\w+, a person whom the agreement names", shown)
    assert shown.count("✓ all holds") == len(_NODES)
    assert "✓ database: " in shown
    assert "✗" not in shown


def _end(bash: subprocess.Popen[str]) -> None:
    """Leave no node running where the tour stopped half way: all of them are in its session."""
    try:
        os.killpg(bash.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    bash.wait()
