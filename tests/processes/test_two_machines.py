"""A person with two machines and a node on a third, all by the command line: two device folders, no key ever copied."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from foedus.adapters.device_folder import DeviceFolder
from foedus.surfaces.cli.client import path_of
from foedus.surfaces.demo.processes import eventually
from tests.processes.nodes import PATIENCE_S, add_agent, node_processes, shared_room


class Machine:
    """A machine with a device folder of its own and no node."""

    def __init__(self, folder, **environment):
        self.folder = folder
        own = {"FOEDUS_DEVICE": str(folder / "device"), "FOEDUS_HOME": str(folder / "none")}
        kept = {key: value for key, value in os.environ.items() if not key.startswith("FOEDUS_")}
        self.environment = kept | own | environment

    def start(self, *argv):
        return subprocess.Popen(
            [sys.executable, "-m", "foedus.surfaces.cli.main", *argv, "--json"],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *argv):
        """Return (exit code, JSON on stdout)."""
        process = self.start(*argv)
        out, complaint = process.communicate(timeout=PATIENCE_S)
        assert out, complaint
        return process.returncode, json.loads(out)


@pytest.mark.slow
def test_a_person_pairs_two_machines_and_revokes_the_lost_one(tmp_path):
    phrase = {"FOEDUS_PASSPHRASE": "correct horse"}
    with node_processes(tmp_path, "north") as [north]:
        operator = Machine(tmp_path / "desk", FOEDUS_HOME=str(north.home.path))
        laptop, phone = Machine(tmp_path / "laptop", **phrase), Machine(tmp_path / "phone", **phrase)
        shared_room(north)

        _, code = operator.run("pair", "start")
        done, paired = laptop.run("pair", "device", code["url"], code["code"], "--name", "ada", "--recovery")
        assert (done, len(paired["recovery_words"])) == (0, 24)
        words = tmp_path / "words"
        words.write_text(" ".join(paired["recovery_words"]))
        assert [view["name"] for view in laptop.run("room", "list")[1]] == ["room"]
        assert laptop.run("say", "room", "from the laptop")[0] == 0
        assert laptop.run("peer", "list")[1]["error"]["code"] == "operator_only"

        _, code = operator.run("pair", "start", "--as", "ada")
        waiting = phone.start("pair", "device", code["link"], "--name", "phone")
        eventually("the phone waits", lambda: laptop.run("pair", "list")[1] != [], PATIENCE_S)
        (asking,) = laptop.run("pair", "list")[1]
        done, confirmed = laptop.run("pair", "confirm", "--yes")
        assert (done, [device["name"] for device in confirmed["devices"]]) == (0, ["ada", "phone"])
        out, _ = waiting.communicate(timeout=PATIENCE_S)
        second = json.loads(out)
        assert (waiting.returncode, second["did"], second["device"]) == (0, paired["did"], asking["device"])
        assert phone.run("say", "room", "from the phone")[0] == 0
        assert [said["text"] for said in laptop.run("room", "read", "room")[1]["messages"]] == [
            "from the laptop",
            "from the phone",
        ]
        seeds = [
            DeviceFolder(machine.folder / "device").open(name, phrase["FOEDUS_PASSPHRASE"]).seed
            for machine, name in ((laptop, "ada"), (phone, "phone"))
        ]
        assert seeds[0] != seeds[1]

        following = phone.start("room", "follow", "room")
        assert "from the laptop" in following.stdout.readline()
        assert laptop.run("device", "revoke", second["device"][:12], "--yes")[0] == 0
        rest, _ = following.communicate(timeout=PATIENCE_S)
        assert following.returncode == 1
        assert json.loads(rest.splitlines()[-1])["error"]["code"] == "unauthorized"
        assert phone.run("say", "room", "still me?")[1]["error"]["code"] == "unauthorized"

        found = operator.run("device", "revoke", paired["device"], "--as", "ada", "--words-file", str(words), "--yes")
        assert found[0] == 0
        assert [device["revoked"] for device in operator.run("device", "list", "--as", "ada")[1]] == [True, True]
        assert laptop.run("room", "list")[1]["error"]["code"] == "unauthorized"


@pytest.mark.slow
def test_a_stolen_token_opens_nothing_and_a_custodial_agents_speaks_from_the_environment(tmp_path):
    with node_processes(tmp_path, "north") as [north]:
        operator = Machine(tmp_path / "desk", FOEDUS_HOME=str(north.home.path))
        scout = Machine(tmp_path / "scout")
        room = shared_room(north)
        robot = add_agent(north, "robot")

        _, code = operator.run("pair", "start", "--agent")
        assert scout.run("pair", "device", code["url"], code["code"], "--name", "scout")[0] == 0
        (profile,) = (scout.folder / "device" / "profiles").glob("*.json")
        assert profile.stat().st_mode & 0o077 == 0
        token = json.loads(profile.read_text())["token"]
        thief = Machine(tmp_path / "thief", FOEDUS_TOKEN=token, FOEDUS_URL=north.url)
        assert thief.run("room", "list")[1]["error"]["code"] == "token_not_bound"
        request = urllib.request.Request(f"{north.url}/api/v1/rooms", headers={"Authorization": f"Bearer {token}"})  # noqa: S310
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=PATIENCE_S)  # noqa: S310
        assert json.loads(refused.value.read())["code"] == "token_not_bound"
        assert scout.run("room", "list")[0] == 0

        _, issued = operator.run("participant", "token", "robot")
        beeping = Machine(tmp_path / "anywhere", FOEDUS_TOKEN=issued["token"], FOEDUS_URL=north.url)
        assert beeping.run("say", "room", "beep")[0] == 0
        (said,) = north.client.get(path_of("rooms", room, "messages"), dict)["messages"]
        assert (said["text"], said["author"]) == ("beep", robot.did)
        assert operator.run("participant", "token", "robot", "--revoke")[0] == 0
        assert beeping.run("room", "list")[1]["error"]["code"] == "unauthorized"
