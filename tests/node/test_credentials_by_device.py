"""A person issues, shows and revokes with the key in their own folder; the commands run against a real node."""

import asyncio
import json

import pytest

from foedus.adapters import device_folder
from foedus.crypto.sealed import LEAST
from foedus.node.home import Home
from foedus.surfaces.cli import devices
from foedus.surfaces.cli.main import main
from tests.node.federated import federated_street
from tests.node.nodes import connect, until


@pytest.fixture
def at(tmp_path, monkeypatch, capsys):
    """Return what runs a command at a node, with --json, and returns (exit code, its JSON)."""
    monkeypatch.setenv("FOEDUS_DEVICE", str(tmp_path / "device"))
    monkeypatch.setenv("FOEDUS_PASSPHRASE", "correct horse")
    monkeypatch.setattr(devices, "DeviceFolder", lambda path: device_folder.DeviceFolder(path, cost=LEAST))

    async def run(running, *words):
        home = Home(running.path)
        home.say_running(running.url, running.node.store.node)
        code = await asyncio.to_thread(main, [*map(str, words), "--json", "--home", str(running.path)])
        out = capsys.readouterr().out
        return code, json.loads(out) if out else None

    return run


async def test_a_person_vouches_shows_and_takes_back(tmp_path, at):
    async with federated_street(tmp_path) as it:
        guild, bank = await it.add("guild"), await it.add("bank")
        await connect(guild, bank)
        _, ada = await at(guild, "participant", "add", "ada", "--kind", "human")
        _, bob = await at(bank, "participant", "add", "bob", "--kind", "human")
        code, vouched = await at(guild, "vouch", bob["did"], "we worked together", "--as", "ada")
        assert code == 0
        assert (vouched["issuer"], vouched["subject"]) == (ada["did"], bob["did"])
        assert vouched["types"] == ["FoedusVouch"]
        file = tmp_path / "vouch.json"
        file.write_text(vouched["document"])

        code, held = await at(bank, "credential", "hold", file)
        assert code == 0
        assert (await at(bank, "credential", "verify", file))[1]["error"]["code"] == "issuer_not_believed"
        assert (await at(bank, "credential", "trust", ada["did"], "FoedusVouch"))[0] == 0

        shown = tmp_path / "shown.json"
        asked = (await at(bank, "credential", "challenge"))[1]
        answer = ("--challenge", asked["challenge"], "--domain", asked["domain"])
        code, presentation = await at(bank, "credential", "present", held["key"], *answer, "--as", "bob")
        assert code == 0
        shown.write_text(presentation["document"])
        code, proved = await at(bank, "credential", "verify", shown)
        assert (code, proved["holder"]) == (0, bob["did"])
        assert proved["credentials"][0]["claims"] == {"statement": "we worked together"}

        code, second = await at(guild, "credential", "issue", "bob", "Engineer", "since=2019", "--as", "ada", "--yes")
        assert (code, second["claims"]) == (0, {"since": 2019})
        code, revoked = await at(guild, "credential", "revoke", vouched["key"], "--yes")
        assert (code, revoked["revoked"]) == (0, True)
        assert [view["revoked"] for view in (await at(guild, "credential", "list"))[1]].count(True) == 1
        code, refused = await at(bank, "credential", "verify", file)
        assert (code, refused["error"]["code"]) == (1, "credential_revoked")
        assert (await at(bank, "credential", "untrust", ada["did"], "FoedusVouch"))[0] == 0
        assert (await at(bank, "credential", "issuers"))[1] == []


async def test_what_a_revoked_device_signed_is_believed_no_longer(tmp_path, at):
    async with federated_street(tmp_path) as it:
        guild = await it.add("guild")
        _, ada = await at(guild, "participant", "add", "ada", "--kind", "human")
        _, vouched = await at(guild, "vouch", ada["did"], "--as", "ada")
        file = tmp_path / "vouch.json"
        file.write_text(vouched["document"])
        await at(guild, "credential", "trust", "ada", "FoedusVouch")
        assert (await at(guild, "credential", "verify", file))[0] == 0
        device = ada["devices"][0]["key"]
        assert (await at(guild, "participant", "revoke", "ada", "--device", device, "--yes"))[0] == 0
        assert (await at(guild, "credential", "verify", file))[1]["error"]["code"] == "issuer_not_believed"
        assert (await at(guild, "vouch", ada["did"], "--as", "ada"))[1]["error"]["code"] in {
            "no_device_key",
            "not_found",
        }


async def test_a_node_vouches_for_a_peer_and_an_agent_shows_it(tmp_path, at):
    async with federated_street(tmp_path) as it:
        guild, bank = await it.add("guild"), await it.add("bank")
        await connect(guild, bank)
        code, vouched = await at(guild, "vouch", "bank", "our bank", "--yes")
        assert (code, vouched["subject"]) == (0, bank.service.identity().did)
        file = tmp_path / "vouch.json"
        file.write_text(vouched["document"])
        _, held = await at(bank, "credential", "hold", file)
        assert (await at(guild, "credential", "trust", guild.service.identity().did, "FoedusVouch"))[0] == 0
        asked = (await at(guild, "credential", "challenge"))[1]
        answer = ("--challenge", asked["challenge"], "--domain", asked["domain"])
        code, shown = await at(bank, "credential", "present", held["key"], *answer)
        assert code == 0
        file.write_text(shown["document"])
        code, proved = await at(guild, "credential", "verify", file)
        assert (code, proved["holder"]) == (0, bank.service.identity().did)


async def test_nobody_is_believed_for_what_they_call_themselves(tmp_path, at):
    """A participant of a peer that took the registry's name was believed in its place, unasked."""
    async with federated_street(tmp_path) as it:
        bank, mallory = await it.add("bank"), await it.add("mallory")
        await connect(mallory, bank)
        eve = (await at(mallory, "participant", "add", "Registry", "--kind", "human"))[1]["did"]
        await until(lambda: [view for view in bank.service.participants() if view.did == eve], "bank knows of her")
        for words in (("credential", "trust", "Registry", "Engineer"), ("vouch", "Registry")):
            code, refused = await at(bank, *words)
            assert (code, eve in refused["error"]["message"]) == (2, True)
        assert bank.service.credential_issuers() == []
        await bank.service.name_set(eve, "the registry's clerk")
        assert (await at(bank, "credential", "trust", "the registry's clerk", "Engineer"))[0] == 0
        assert [belief.issuer for belief in bank.service.credential_issuers()] == [eve]
