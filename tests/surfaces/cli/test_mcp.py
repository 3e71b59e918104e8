"""`foedus mcp`: only as a participant, and the block to paste."""

import json

import pytest
from msgspec.structs import replace

from foedus.adapters.device_profiles import Profile, save_profile
from foedus.surfaces.cli.devices import device_folder
from tests.surfaces.cli import samples


@pytest.fixture
def robot(node):
    who = samples.ROBOT
    token = {"did": who.did, "name": "robot", "device": "", "bound": False, "token": "secret"}
    node.on("GET", "/participants", [who]).on("POST", f"/participants/{who.did}/token", token)
    return node


@pytest.mark.usefixtures("node")
def test_the_operator_is_no_agent(foedus):
    ran = foedus("mcp", "--json")
    assert (ran.code, ran.error["code"]) == (1, "participants_only")
    assert "mcp config" in ran.error["remedy"]


@pytest.mark.parametrize(
    ("client", "top", "typed"), [("claude-desktop", "mcpServers", {}), ("vscode", "servers", {"type": "stdio"})]
)
def test_the_block_starts_the_command_as_the_agent(foedus, robot, client, top, typed):
    ran = foedus("mcp", "config", "robot", "--for", client)
    environment = {"FOEDUS_URL": robot.url, "FOEDUS_TOKEN": "secret"}
    assert json.loads(ran.out) == {top: {"foedus": typed | {"command": "foedus", "args": ["mcp"], "env": environment}}}
    assert "json" in ran.err


def test_the_block_names_the_nodes_own_address(foedus, robot):
    (server,) = foedus("mcp", "config", "robot", "--http", "--json").json["mcpServers"].values()
    assert server == {"url": f"{robot.url}/mcp", "headers": {"Authorization": "Bearer secret"}}


def test_an_agent_prints_its_own(foedus, node, monkeypatch):
    monkeypatch.setenv("FOEDUS_URL", node.url)
    monkeypatch.setenv("FOEDUS_TOKEN", "own")
    (server,) = foedus("mcp", "config", "--json").json["mcpServers"].values()
    assert server["env"] == {"FOEDUS_URL": node.url, "FOEDUS_TOKEN": "own"}


def test_a_token_of_a_device_goes_with_its_folder_and_not_over_http(foedus, node, monkeypatch):
    monkeypatch.setenv("FOEDUS_URL", node.url)
    folder = device_folder().path
    save_profile(folder, Profile(node.url, samples.OWN, "did:key:z6Mk", "ab" * 32, "tally", "bound"))
    (server,) = foedus("mcp", "config", "--json").json["mcpServers"].values()
    assert server["env"] == {"FOEDUS_URL": node.url, "FOEDUS_TOKEN": "bound", "FOEDUS_DEVICE": str(folder)}
    assert foedus("mcp", "config", "--http", "--json").error["code"] == "token_not_bound"


def test_no_block_is_made_for_a_person(foedus, node):
    node.on("GET", "/participants", [replace(samples.ROBOT, name="ada", kind="human")])
    assert foedus("mcp", "config", "ada", "--json").error["code"] == "not_an_agent"
