"""Pairing over HTTP: the code, the proof of the key, the enrolment, the token; and every refusal."""

import pytest

from foedus.base.limits import MINUTE
from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.pairing import OPEN_CODES_MAX, TRIES_MAX, WRONG_TRIES_PER_NETWORK
from foedus.identity.participant_recovery import recovery_key, recovery_name
from tests.node.nodes import street
from tests.node.paired import Device, further, paired

SEED = b"\x07" * 32


@pytest.fixture
async def town(tmp_path):
    async with street(tmp_path) as it:
        yield it


def other_code(code):
    """A wrong code for the same first letters."""
    return code[:-1] + ("A" if code[-1] != "A" else "B")


async def test_a_person_gets_a_device_and_its_key_never_leaves_it(town):
    north = await town.add("north")
    ada = await paired(north)
    (who,) = north.service.participants()
    assert (who.did, who.name, who.kind, who.custody) == (ada.did, "ada", "human", "device")
    assert (await ada.ask("GET", "/api/v1/caller"))[1] == {
        "did": ada.did,
        "name": "ada",
        "kind": "human",
        "device": ada.public,
        "bound": True,
        "architect": False,
    }
    everything = b"".join(path.read_bytes() for path in north.path.rglob("*") if path.is_file())
    assert ada.key.seed not in everything
    assert ada.token.encode() not in everything


async def test_an_agent_gets_its_device_the_same_way_and_is_marked(town):
    north = await town.add("north")
    scout = await paired(north, "scout", "agent")
    assert (await scout.ask("GET", "/api/v1/caller"))[1]["kind"] == "agent"
    assert north.service.participants()[0].kind == "agent"


async def test_an_agents_code_makes_no_human(town):
    north = await town.add("north")
    device = Device(north, "sly")
    await device.claim(north.service.pair_generate("", "agent").code)
    status, answer = await device.prove(kind="human")
    assert (status, answer["code"]) == (400, "not_permitted")
    assert north.service.participants() == []


async def test_a_code_serves_once(town):
    north = await town.add("north")
    code = north.service.pair_generate("", "human").code
    assert (await Device(north).claim(code))[0] == 200
    status, answer = await Device(north).claim(code)
    assert (status, answer["code"]) == (403, "bad_code")


async def test_a_name_that_is_taken_does_not_spend_the_code(town):
    north = await town.add("north")
    await paired(north, "ada")
    code = north.service.pair_generate("", "human").code
    assert (await Device(north, "ada").claim(code))[1]["code"] == "name_taken"
    assert (await Device(north, "eve").claim(code))[0] == 200


async def test_five_wrong_tries_end_a_code(town):
    north = await town.add("north")
    code = north.service.pair_generate("", "human").code
    for _ in range(TRIES_MAX):
        assert (await Device(north).claim(other_code(code)))[1]["code"] == "bad_code"
    assert (await Device(north).claim(code))[1]["code"] == "bad_code"
    assert north.node.access.counts["bad_code"] == TRIES_MAX + 1
    assert b'foedus_access_total{outcome="bad_code"} 6' in north.service.metrics()


async def test_guessing_over_all_codes_is_stopped_even_for_the_right_one(town):
    north = await town.add("north")
    codes = [north.service.pair_generate("", "human").code for _ in range(3)]
    answers = [(await Device(north).claim(other_code(codes[turn % 3])))[1] for turn in range(WRONG_TRIES_PER_NETWORK)]
    assert {answer["code"] for answer in answers} == {"bad_code"}
    status, answer = await Device(north).claim(codes[0])
    assert (status, answer["code"]) == (429, "too_many_tries")


async def test_a_code_expires(town):
    now = [1_800_000_000_000_000]
    north = await town.add("north", lambda: now[0])
    code = north.service.pair_generate("", "human").code
    now[0] += 10 * MINUTE
    assert (await Device(north).claim(code))[1]["code"] == "bad_code"


@pytest.mark.parametrize(
    "change",
    [{"challenge": bytes(32)}, {"code": "AAAAAA"}, {"node": bytes(32)}, {"epoch": bytes(32)}, {"device": bytes(32)}],
    ids=lambda change: next(iter(change)),
)
async def test_the_proof_is_bound_to_challenge_code_node_epoch_and_key(town, change):
    north = await town.add("north")
    device = Device(north)
    await device.claim(north.service.pair_generate("", "human").code)
    status, answer = await device.prove(signature=device.proof_of_claim(**change))
    assert (status, answer["code"]) == (403, "bad_possession")
    assert north.service.participants() == []


async def test_a_further_device_waits_until_an_enrolled_one_signs(town):
    north = await town.add("north")
    ada = await paired(north)
    phone = await further(north, ada)
    assert (phone.did, len(ada.own().devices)) == (ada.did, 2)
    assert phone.token != ada.token
    assert (await phone.ask("GET", "/api/v1/pairings")) == (200, [])


async def test_nobody_else_enrols_a_further_device(town):
    north = await town.add("north")
    ada, eve = await paired(north), await paired(north, "eve")
    phone = Device(north, "phone")
    await phone.claim(north.service.pair_generate("ada", "human").code)
    await phone.prove()
    (waiting,) = [trouble for trouble in north.service.status().troubles if trouble.code == "device"]
    assert ("'ada'" in waiting.message, "foedus pair confirm" in waiting.remedy) == (True, True)
    (asking,) = (await ada.ask("GET", "/api/v1/pairings"))[1]
    assert (await eve.ask("GET", "/api/v1/pairings"))[1] == []
    assert (await eve.confirm(asking))[1]["code"] == "not_yourself"
    assert (await ada.confirm(asking, key=Ed25519Key(bytes(32))))[1]["code"] == "unknown_device"
    assert (await phone.prove())[1]["state"] == "waiting"
    assert (await eve.ask("DELETE", f"/api/v1/pairings/{asking['pairing']}"))[0] == 404
    assert (await ada.ask("DELETE", f"/api/v1/pairings/{asking['pairing']}"))[0] == 204
    assert (await phone.prove())[1]["code"] == "unknown_pairing"
    assert not [trouble for trouble in north.service.status().troubles if trouble.code == "device"]


async def test_the_recovery_key_replaces_the_last_device(town):
    north = await town.add("north")
    ada = await paired(north, recovery=recovery_name(SEED))
    words = recovery_key(SEED)
    phone = Device(north, "phone")
    await phone.claim(north.service.pair_generate("ada", "human").code)
    await phone.prove()
    (asking,) = north.service.pairings()
    plain = {name: getattr(asking, name) for name in asking.__struct_fields__}
    assert (await ada.confirm(plain, auth=(), key=words))[0] == 201
    assert (await phone.prove())[1]["state"] == "paired"
    assert (await phone.revoke(ada, auth=(), key=words))[0] == 201
    assert [device.revoked for device in phone.own().devices] == [True, False]
    assert (await ada.ask("GET", "/api/v1/caller"))[0] == 401


async def test_without_recovery_words_no_other_key_recovers(town):
    north = await town.add("north")
    ada = await paired(north)
    status, answer = await ada.revoke(ada, auth=(), key=recovery_key(SEED))
    assert (status, answer["code"]) == (403, "unknown_device")


async def test_an_agent_whose_key_the_node_keeps_has_no_devices_to_pair(town):
    north = await town.add("north")
    await north.service.participant_add_custodial("robot")
    ada = await paired(north)
    status, answer = await ada.ask("POST", "/api/pair/generate", {"participant": "robot"})
    assert (status, answer["code"]) == (403, "not_yourself")
    assert (await ada.ask("POST", "/api/pair/generate"))[1]["did"] == ada.did


async def test_a_participant_who_asks_for_codes_all_day_voids_nobodys_code(town):
    """The first letters of a code are its place, and a new code took the place of another's now and then."""
    north = await town.add("north")
    pairings = north.node.access.pairings
    await paired(north)
    who = north.node.agents.find("ada")
    code, _ = pairings.generate("human", None)
    for _ in range(10_000):
        pairings.generate("human", who)
    assert pairings.claim(code, bytes(32), "grace", "127.0.0.1").name == "grace"


async def test_a_participant_who_pairs_all_day_ends_nobodys_pairing(town):
    north = await town.add("north")
    pairings = north.node.access.pairings
    await paired(north)
    who = north.node.agents.find("ada")
    code, _ = pairings.generate("human", None)
    waiting = pairings.claim(code, bytes(32), "grace", "127.0.0.1")
    for number in range(1, 40):
        code, _ = pairings.generate("human", who)
        pairings.claim(code, number.to_bytes(32), "toaster", "127.0.0.1")
    assert waiting.id in pairings._claimed
    assert len(pairings._claimed) == OPEN_CODES_MAX
