"""The disk of a running node fills up: it says so, goes on answering, loses nothing, and writes again when it can."""

import os
import subprocess

import pytest

from foedus.base.errors import FoedusError
from foedus.surfaces.demo.processes import eventually
from tests.processes.nodes import (
    PATIENCE_S,
    assert_verifies,
    connect,
    ids_on_disk,
    node_processes,
    say,
    shared_room,
    status,
    trusted_agent,
)

BALLAST_BYTES = 4 * 1_048_576


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", disk], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def fill(node, room, acknowledged):
    """Say long things until the node refuses; return the refusal."""
    for number in range(1_000):
        try:
            acknowledged += say(node, room, "scout", *(f"{number} {'x' * 20_000}" for _ in range(8)))
        except FoedusError as error:
            return error
    pytest.fail("the disk never filled up")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_told_and_nothing_acknowledged_is_lost(small_disk, tmp_path):
    with node_processes(small_disk, "full") as (full,), node_processes(tmp_path, "roomy") as (roomy,):
        ballast = small_disk / "ballast"
        ballast.write_bytes(bytes(BALLAST_BYTES))
        trusted_agent(full, "scout")
        trusted_agent(roomy, "pilot")
        connect(full, roomy)
        room = shared_room(full, roomy)
        acknowledged = []
        refusal = fill(full, room, acknowledged)
        assert (refusal.code, refusal.http_status) == ("disk_full", 507)
        assert "free some space" in refusal.remedy
        assert acknowledged

        assert status(full).events >= len(acknowledged)
        again = fill(full, room, [])
        assert again.code == "disk_full"
        meanwhile = say(roomy, room, "pilot", *("y" * 20_000 for _ in range(20)))
        assert status(full).identity.name == "full"

        ballast.unlink()
        acknowledged += eventually("it writes again", lambda: say(full, room, "scout", "there is room"), PATIENCE_S)
        wanted = {*acknowledged, *meanwhile}
        eventually("both hold everything", lambda: ids_on_disk(full) & ids_on_disk(roomy) >= wanted, PATIENCE_S)
        full.stop()
        roomy.stop()
        assert_verifies(full)
        assert_verifies(roomy)
        assert "Traceback" not in full.complaint()
