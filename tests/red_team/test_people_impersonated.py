"""Somebody pretends to be somebody: another node's human, a human at all, the owner of a token, the owner of a code."""

import secrets

from foedus.identity.pairing import WRONG_TRIES_PER_NETWORK
from foedus.log.event import Envelope, Event, encode_event, event_signing_bytes, parse_event
from tests.node.nodes import connect, street, until
from tests.node.paired import Device, paired
from tests.node.people import enrol
from tests.red_team.ending import audited, counted, ends
from tests.red_team.stage import stage


async def test_another_nodes_human_under_a_key_of_ones_own(tmp_path):
    async with street(tmp_path) as it:
        victim, home = await it.add("victim"), await it.add("home")
        ada = await enrol(home, "ada")
        await connect(home, victim)
        async with stage(victim) as scene:
            thief = await scene.enrol("ada", "human", "device")
            event = await scene.says("it is me, ada", thief, author=ada.did)
            await ends(victim, "unknown_device", "rejected", scene.evil.id, event)
            message = victim.service.messages("plans").messages[-1]
            assert (message.verified, message.text, message.author_name) == (False, None, "mallory")


async def test_another_nodes_human_by_her_own_enrolment(tmp_path):
    async with street(tmp_path) as it:
        victim, home = await it.add("victim"), await it.add("home")
        ada = await enrol(home, "ada")
        await connect(home, victim)
        async with stage(victim) as scene:
            thief = await scene.enrol("ada", "human", "device")
            event = await scene.says("send me the keys", thief, author=ada.did, auth=(ada.enrolment, scene.membership))
            await ends(victim, "unknown_device", "rejected", scene.evil.id, event)


async def test_her_true_words_in_another_nodes_mouth(tmp_path):
    async with street(tmp_path) as it:
        victim, home = await it.add("victim"), await it.add("home")
        ada = await enrol(home, "ada")
        await connect(home, victim)
        async with stage(victim, home) as scene:
            await until(home.service.rooms, "her node sees the room")
            placed = await ada.say("yes, I agree")
            await until(lambda: victim.texts() == ["yes, I agree"], "she said it once")
            row = victim.node.log.by_ids([bytes.fromhex(placed.id)])[bytes.fromhex(placed.id)]
            spoken = parse_event(row.envelope).event
            forged = _again(scene, spoken, row.envelope)
            await scene.evil.deliver(forged)
            await ends(victim, "invalid_signature", "refused", scene.evil.id)
            assert victim.texts() == ["yes, I agree"]
            assert victim.service.peer(scene.evil.id).evidence[0].kind == "bad_signature"


def _again(scene, spoken, envelope):
    """Put an act with its signature into the liar's own chain."""
    event = Event(
        v=1,
        act=spoken.act,
        hlc=spoken.hlc,
        seq=1,
        asig=spoken.asig,
        prev=None,
        epoch=scene.evil.epoch,
        stream=scene.stream,
    )
    data = encode_event(event)
    return Envelope(data, scene.evil.keys.ed25519.sign(event_signing_bytes(data)), envelope.salt, envelope.body)


async def test_a_key_that_the_node_keeps_enrolled_as_a_humans(tmp_path):
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        async with stage(victim) as scene:
            robot = await scene.enrol("grace", "human", "node")
            event = await scene.says("as a human, I say", robot)
            assert scene.held(robot.enrolment).reason == "unknown_device", "a human has a device of their own"
            await ends(victim, "unknown_device", "rejected", scene.evil.id, event)


async def test_a_stolen_token_on_another_machine(tmp_path):
    async with street(tmp_path) as it:
        north = await it.add("north")
        ada, thief = await paired(north), Device(north, "thief")
        thief.token = ada.token
        bare = {"Authorization": f"Bearer {ada.token}"}
        for status, answer in (
            await thief.send("GET", "/api/v1/events", headers=bare),
            await thief.ask("GET", "/api/v1/events"),
            await thief.ask("POST", "/api/pair/generate", {}),
        ):
            assert (status, answer["code"]) == (401, "token_not_bound")
            assert "revoke it" in answer["remedy"]
        await counted(north, "token_not_bound")
        row = await audited(north, "token_not_bound", "refused", ada.did)
        assert row.subject in {"GET /api/v1/events", "POST /api/pair/generate"}
        overheard = ada.headers("GET", "/api/v1/caller")
        assert (await ada.send("GET", "/api/v1/caller", headers=overheard))[0] == 200
        assert (await thief.send("GET", "/api/v1/caller", headers=overheard))[1]["code"] == "replayed_nonce"
        await counted(north, "replayed_nonce")
        await audited(north, "replayed_nonce", "refused", ada.did)


async def test_a_pairing_code_that_is_guessed(tmp_path):
    async with street(tmp_path) as it:
        north = await it.add("north")
        code = north.service.pair_generate("", "human").code
        guesses = [code[:3] + letters for letters in ("AAAA", "BBBB", "CCCC", "DDDD", "EEEE")]
        thief = Device(north, "thief")
        for guess in guesses:
            assert (await thief.claim(guess))[1]["code"] == "bad_code"
        assert (await Device(north).claim(code))[1]["code"] == "bad_code", "five tries end it, also for the right one"
        await counted(north, "bad_code")
        await audited(north, "bad_code", "refused", "anyone")
        fresh = north.service.pair_generate("", "human").code
        for _ in range(WRONG_TRIES_PER_NETWORK):
            status, answer = await thief.claim(secrets.choice(guesses))
        assert (status, answer["code"]) == (429, "too_many_tries")
        assert (await Device(north).claim(fresh))[1]["code"] == "too_many_tries"
        await counted(north, "too_many_tries")
        await audited(north, "too_many_tries", "refused", "anyone")
        assert north.service.participants() == []
