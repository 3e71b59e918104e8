"""Two processes never run on one home folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from foedus.adapters.home_lock import HomeLock
from foedus.base.errors import Unavailable, UsageError

_HOLDER = """
import sys, time
from pathlib import Path
from foedus.adapters.home_lock import HomeLock
lock = HomeLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path):
    child = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"held\n"
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


def test_a_second_process_is_refused_and_told_which_holds_it(tmp_path: Path, holder) -> None:
    with pytest.raises(UsageError) as caught:
        HomeLock(tmp_path)
    assert caught.value.code == "home_locked"
    assert str(holder.pid) in str(caught.value)
    assert (tmp_path / "lock").read_text() == f"{holder.pid}\n"


def test_death_releases_it(tmp_path: Path, holder) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with HomeLock(tmp_path):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_one_lock_at_a_time_within_a_process_too(tmp_path: Path) -> None:
    first = HomeLock(tmp_path)
    with pytest.raises(UsageError):
        HomeLock(tmp_path)
    first.release()
    first.release()
    HomeLock(tmp_path).release()


def test_a_child_process_does_not_keep_it(tmp_path: Path) -> None:
    lock = HomeLock(tmp_path)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], close_fds=False)
    lock.release()
    HomeLock(tmp_path).release()
    child.kill()
    child.wait()


def test_a_folder_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        HomeLock(tmp_path / "nowhere")
