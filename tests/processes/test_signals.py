"""How a node process stops, and that a home has one process."""

import signal
import subprocess
import sys

import pytest

from foedus.base.errors import Unavailable
from foedus.surfaces.cli.client import path_of
from foedus.surfaces.demo.processes import NodeFailed, NodeProcess, eventually
from foedus.values.node import PeerView
from tests.processes.nodes import (
    PATIENCE_S,
    add_agent,
    assert_verifies,
    connect,
    ids_on_disk,
    is_linked,
    node_id,
    node_processes,
    say,
    shared_room,
    status,
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_a_signal_stops_a_node_cleanly(tmp_path, number):
    with node_processes(tmp_path, "a") as (a,):
        add_agent(a, "scout")
        said = say(a, shared_room(a), "scout", "one", "two")
        process = a._running()
        process.send_signal(number)
        assert process.wait(PATIENCE_S) == 0
        assert a.home.running() is None
        assert "Traceback" not in a.complaint()
        with pytest.raises(Unavailable) as caught:
            status(a)
        assert caught.value.code == "not_running"
        assert ids_on_disk(a) >= set(said)
        assert_verifies(a)


def test_a_second_node_on_the_same_home_is_refused(tmp_path):
    with node_processes(tmp_path, "a") as (a,):
        second = NodeProcess("second", a.home)
        second.patience_s = PATIENCE_S
        second.errors = tmp_path / "second.stderr"
        second.launch()
        with pytest.raises(NodeFailed, match="status 1"):
            second.wait_ready()
        second.end()
        assert status(a).identity.name == "a", "the first one is not disturbed"
        assert a.home.running() is not None, "and can still be found"


def test_the_refusal_names_the_process_and_what_to_do(tmp_path):
    with node_processes(tmp_path, "a") as (a,):
        up = [sys.executable, "-m", "foedus.surfaces.cli.main", "up", "--home", a.home.path, "--port", "0"]
        ran = subprocess.run(up, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        assert ran.returncode == 1
        assert f"process {a._running().pid}" in ran.stderr
        assert "home_locked" in ran.stderr
        assert "--home" in ran.stderr


def test_a_port_that_is_taken_is_told(tmp_path):
    with node_processes(tmp_path, "a") as (a,):
        port = a.url.rpartition(":")[2]
        up = [sys.executable, "-m", "foedus.surfaces.cli.main", "up", "--home", tmp_path / "b", "--port", port, "--yes"]
        ran = subprocess.run(up, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        assert ran.returncode == 1
        assert "Traceback" not in ran.stderr
        assert "--port" in ran.stderr


def test_links_come_back_after_a_clean_stop(tmp_path):
    with node_processes(tmp_path, "a", "b") as (a, b):
        connect(a, b)
        own, other = node_id(a), node_id(b)
        b.stop()
        eventually("a notices", lambda: not is_linked(a, other), PATIENCE_S)
        b.start()
        eventually("the link is back", lambda: is_linked(a, other) and is_linked(b, own), PATIENCE_S)


def test_sighup_reads_the_policy_again_and_no_link_drops(tmp_path):
    with node_processes(tmp_path, "a", "b") as (a, b):
        connect(a, b)
        since = a.client.get(path_of("peers", node_id(b)), PeerView).connected_at
        a.home.policy_path.write_text("[federation.policy]\nmax_peers = many\n")
        a._running().send_signal(signal.SIGHUP)
        (trouble,) = eventually("the mistake is told", lambda: status(a).troubles, PATIENCE_S)
        assert trouble.code == "bad_policy"
        assert "line 2" in trouble.message
        a.home.policy_path.write_text("[federation.policy]\nmax_peers = 1\n")
        a._running().send_signal(signal.SIGHUP)
        eventually("it is mended", lambda: not status(a).troubles, PATIENCE_S)
        assert is_linked(a, node_id(b))
        assert a.client.get(path_of("peers", node_id(b)), PeerView).connected_at == since


def test_a_node_does_not_start_on_a_bad_policy(tmp_path):
    with node_processes(tmp_path, "a") as (a,):
        a.stop()
        a.home.policy_path.write_text("[federation.policy]\nmax_peer = 1\n")
        up = [sys.executable, "-m", "foedus.surfaces.cli.main", "up", "--home", a.home.path, "--port", "0"]
        ran = subprocess.run(up, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        assert ran.returncode == 1
        assert "foedus.toml, line 2: there is no option 'federation.policy.max_peer'" in ran.stderr
        assert "did you mean max_peers?" in ran.stderr
