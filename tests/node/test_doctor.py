"""Each fault of a home, its machine or its running node is one failed check that names what mends it."""

import json
import os
import shutil
import socket
import subprocess
import sys
from types import SimpleNamespace

import msgspec
import pytest

from foedus.adapters.home_lock import HomeLock
from foedus.adapters.key_files import NODE_KEYS
from foedus.adapters.sqlite_read import LogReader
from foedus.base.limits import SECOND
from foedus.node import doctor, doctor_home
from foedus.node.home import Home, create_home
from foedus.surfaces.demo.processes import NodeProcess, free_port
from tests.node.homes import identity_of, run, spoken
from tests.surfaces.cli.conftest import FakeNode
from tests.surfaces.cli.samples import CONNECTED, STATUS

NAMES = ["home", *doctor.CHECKS]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("made") / "home")
    create_home(home, "north")
    run(spoken(home, "one", "two"))
    return home.path


@pytest.fixture
def home(made, tmp_path):
    shutil.copytree(made, tmp_path / "home")
    return Home(tmp_path / "home")


@pytest.fixture
def examine(home):
    """Run the doctor; return its checks by name, having looked at what holds of every report."""

    def examine(**options):
        checks = doctor.run_checks(home, **{"port": free_port(), **options})
        assert [check.name for check in checks] == NAMES
        assert all(check.message for check in checks)
        assert all(bool(check.remedy) is not check.ok for check in checks)
        json.dumps(msgspec.to_builtins(checks))
        return {check.name: check for check in checks}

    return examine


def failed(checks):
    return {name for name, check in checks.items() if not check.ok}


def test_a_healthy_home_passes_every_check(examine):
    assert failed(examine()) == set()


def test_an_empty_folder_is_one_failed_check(tmp_path):
    (check,) = doctor.run_checks(Home(tmp_path / "nothing"))
    assert not check.ok
    assert "foedus init" in check.remedy


def test_wide_rights_are_mended_by_the_command_it_names(home, examine):
    home.path.chmod(0o755)
    home.token_path.chmod(0o644)
    (home.keys / NODE_KEYS).chmod(0o640)
    checks = examine()
    assert "rights" in failed(checks)
    remedy = checks["rights"].remedy
    subprocess.run(["sh", "-c", remedy.removeprefix("run `").removesuffix("`")], check=True)
    assert failed(examine()) == set()


@pytest.mark.parametrize("damage", [b"", b"\xa3cut", b"x" * 70_000], ids=["emptied", "cut", "huge"])
def test_a_damaged_key_file(home, examine, damage):
    (home.keys / NODE_KEYS).write_bytes(damage)
    checks = examine()
    assert failed(checks) == {"keys"}
    assert "24 words" in checks["keys"].remedy


def test_keys_of_another_node(home, examine, tmp_path):
    create_home(Home(tmp_path / "other"), "other")
    shutil.copy(tmp_path / "other" / "keys" / NODE_KEYS, home.keys / NODE_KEYS)
    checks = examine()
    assert failed(checks) == {"keys"}
    assert "foedus key recover" in checks["keys"].remedy


def test_an_agents_key_that_cannot_be_read(home, examine):
    next(home.agents.glob("*.json")).write_text("{")
    assert failed(examine()) == {"agents"}


def test_a_lost_token_is_made_anew_at_the_next_start(home, examine):
    home.token_path.unlink()
    checks = examine()
    assert failed(checks) == {"token"}
    assert "foedus up" in checks["token"].remedy
    run(identity_of(home))
    assert failed(examine()) == set()


@pytest.mark.parametrize("damage", ["emptied", "garbled", "cut", "scribbled"])
def test_a_damaged_database(home, examine, damage):
    data = home.database.read_bytes()
    scribbled = data[:5_000] + os.urandom(20_000) + data[25_000:]
    by_name = {"emptied": b"", "garbled": os.urandom(9_000), "cut": data[: len(data) // 2], "scribbled": scribbled}
    home.database.write_bytes(by_name[damage])
    checks = examine()
    assert "database" in failed(checks)
    assert "restore the newest backup" in checks["database"].remedy


def test_a_clock_behind_the_log(home, examine):
    said = newest(home)
    checks = examine(now=lambda: said - 61 * SECOND)
    assert failed(checks) == {"clock"}
    assert "set this machine's clock" in checks["clock"].remedy
    assert failed(examine(now=lambda: said - 50 * SECOND)) == set()


def newest(home):
    """Return the clock of the newest event of a home's log."""
    log = LogReader(home.database)
    try:
        return max(row.hlc.us for row in log.since(0, 1_000, ""))
    finally:
        log.close()


@pytest.mark.parametrize("now", [0, -1, 10**18, 2**70])
def test_a_clock_that_was_never_set(examine, now):
    assert failed(examine(now=lambda: now)) == {"clock"}


def test_the_lock_names_its_holder(home, examine):
    with HomeLock(home.path):
        checks = examine()
    assert str(os.getpid()) in checks["lock"].message
    assert failed(checks) == set()


def test_a_killed_node_is_told_from_one_that_was_stopped(home, examine):
    home.say_running("http://127.0.0.1:1", bytes(32))
    checks = examine()
    assert failed(checks) == {"lock"}
    assert "foedus up" in checks["lock"].remedy


def test_a_port_that_is_taken(examine):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        checks = examine(port=other.getsockname()[1])
    assert failed(checks) == {"port"}
    assert "--port" in checks["port"].remedy


def test_a_disk_that_is_almost_full(examine, monkeypatch):
    monkeypatch.setattr(doctor_home.shutil, "disk_usage", lambda _: SimpleNamespace(free=5 << 20))
    checks = examine()
    assert failed(checks) == {"disk"}
    assert "5 MiB are free" in checks["disk"].message
    assert "free at least" in checks["disk"].remedy


def test_a_disk_that_refuses_to_sync(examine, monkeypatch):
    def refuse(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(doctor_home.os, "fsync", refuse)
    checks = examine()
    assert failed(checks) == {"disk"}
    assert "No space left" in checks["disk"].message


def test_a_primitive_that_answers_wrongly(examine, monkeypatch):
    monkeypatch.setattr(doctor_home, "self_test", lambda: 1 / 0)
    checks = examine()
    assert failed(checks) == {"cryptography"}
    assert "ZeroDivisionError" in checks["cryptography"].message


def test_everything_at_once_and_still_every_check_answers(home, examine):
    home.database.write_bytes(b"no database")
    (home.keys / NODE_KEYS).write_bytes(b"")
    home.token_path.write_bytes(b"")
    home.path.chmod(0o777)
    assert failed(examine(now=lambda: 0)) >= {"rights", "token", "keys", "database", "clock"}


# --- running ---------------------------------------------------------------------------------------


def test_a_real_running_node_is_healthy(home, examine):
    node = NodeProcess("north", home)
    try:
        node.start()
        checks = examine()
        assert failed(checks) == set()
        assert node.url in checks["port"].message
        assert "events" in checks["answers"].message
    finally:
        node.end()
    assert failed(examine()) == {"lock"}, "it was killed"


@pytest.fixture
def answering(home):
    """A home whose lock is held, and something that answers as its node would."""
    fake = FakeNode()
    own = run(identity_of(home))
    status = msgspec.structs.replace(STATUS, identity=own, troubles=[], peers=[])
    fake.on("GET", "/status", status).on("GET", "/metrics", b"foedus_checkpoint_age_seconds 60\n")
    home.say_running(fake.url, bytes.fromhex(own.node))
    with HomeLock(home.path):
        yield fake, status
    fake.close()


def test_troubles_of_the_running_node_are_passed_on_but_requests_are_none(answering, examine):
    fake, status = answering
    request = msgspec.structs.replace(STATUS.troubles[0], code="request")
    fake.on("GET", "/status", msgspec.structs.replace(status, troubles=[request]))
    assert failed(examine()) == set()
    fake.on("GET", "/status", msgspec.structs.replace(status, troubles=[request, STATUS.troubles[0]]))
    checks = examine()
    assert failed(checks) == {"troubles"}
    assert checks["troubles"].remedy == STATUS.troubles[0].remedy


def test_a_peer_whose_clock_is_wrong(answering, examine):
    fake, status = answering
    peers = [msgspec.structs.replace(CONNECTED, clock_offset_us=offset) for offset in (None, 2 * SECOND, -9 * SECOND)]
    fake.on("GET", "/status", msgspec.structs.replace(status, peers=peers))
    checks = examine()
    assert failed(checks) == {"peers' clocks"}
    assert "-9.0 s" in checks["peers' clocks"].message


def test_checkpoints_that_are_not_written(answering, examine):
    answering[0].on("GET", "/metrics", b"# TYPE\nfoedus_checkpoint_age_seconds 8000\n")
    checks = examine()
    assert failed(checks) == {"checkpoint age"}
    assert "133 minutes" in checks["checkpoint age"].message


def test_another_node_at_the_address(answering, examine):
    fake, status = answering
    fake.on("GET", "/status", msgspec.structs.replace(status, identity=STATUS.identity))
    assert failed(examine()) == {"answers"}


@pytest.mark.parametrize("answer", [(500, {}), b"garbage", {"events": "many"}])
def test_a_node_that_answers_nonsense(answering, examine, answer):
    answering[0].on("GET", "/status", answer)
    assert failed(examine()) == {"answers", "troubles", "peers' clocks"}


def test_a_node_that_does_not_answer(answering, examine):
    answering[0].close()
    checks = examine()
    assert failed(checks) == {"answers", "troubles", "peers' clocks", "checkpoint age"}
    assert "foedus up" in checks["answers"].remedy


def test_the_command_fails_where_a_check_does_and_shows_no_traceback(home):
    home.database.write_bytes(b"no database")
    command = [sys.executable, "-m", "foedus.surfaces.cli.main", "doctor", "--home", home.path]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert ran.returncode == 1
    assert "Traceback" not in ran.stdout + ran.stderr
    assert "database" in ran.stdout.splitlines()[0] + ran.stdout
