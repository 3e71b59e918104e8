import pytest
from msgspec.structs import replace

from foedus.adapters.device_folder import DeviceFolder
from foedus.base.base64url import from_base64url
from foedus.base.cbor import decode, decode_as
from foedus.crypto.sealed import LEAST
from foedus.log.event import Act
from foedus.values.node import PruningView
from foedus.values.rooms import EventView
from tests.surfaces.cli.samples import ELSEWHERE, EVENT, GENERAL, IDENTITY, MEMBERSHIP, OWN, PLACED, ROBOT, ROOM
from tests.surfaces.cli.test_speaking import ADA, SEED

HELD = EventView(
    id=EVENT,
    stream=f"room:{ROOM}",
    epoch=IDENTITY.epoch,
    node=IDENTITY.node,
    seq=1,
    prev=None,
    hlc=[1, 0],
    kind="message.text",
    author=ADA.did,
    at=1,
    verdict="accepted",
    reason="",
    withheld="",
    body=None,
    message=None,
    cursor="",
)


@pytest.fixture
def ada_is_here(tmp_path, monkeypatch):
    folder = DeviceFolder(tmp_path / "device", cost=LEAST)
    folder.add("ada", ADA.did, bytes.fromhex(OWN), "human", SEED, "correct horse")
    monkeypatch.setenv("FOEDUS_PASSPHRASE", "correct horse")


def stand(node, author):
    node.on("GET", f"/events/{EVENT}", replace(HELD, author=author)).on("GET", f"/rooms/{ROOM}", GENERAL)
    node.on("GET", "/participants", [ROBOT, ADA, ELSEWHERE]).on("GET", "/identity", IDENTITY)
    return node.on("POST", f"/events/{EVENT}/erase", (201, PLACED))


def sent(node):
    return node.bodies("POST", f"/events/{EVENT}/erase")


def test_the_node_erases_what_it_or_its_agent_said(foedus, node):
    for author in (IDENTITY.node, ROBOT.did):
        stand(node, author)
        assert foedus("erase", EVENT, "--yes", "--json").json == PLACED
    assert sent(node) == [{"reason": "author"}] * 2


def test_a_moderator_need_not_be_the_author(foedus, node):
    stand(node, ELSEWHERE.did)
    assert foedus("erase", EVENT, "--reason", "moderator", "--yes").code == 0
    assert sent(node) == [{"reason": "moderator"}]
    assert foedus("erase", EVENT, "--yes", "--json").error["code"] == "not_permitted"


@pytest.mark.usefixtures("ada_is_here")
def test_a_persons_device_signs_the_erasure(foedus, node):
    stand(node, ADA.did)
    ran = foedus("erase", EVENT, "--yes")
    assert ran.code == 0
    (asked,) = sent(node)
    act = decode_as(from_base64url(asked["act"]), Act)
    assert (act.kind, act.author) == ("event.erase", ADA.did)
    assert act.auth == (bytes.fromhex(EVENT), bytes.fromhex(MEMBERSHIP))
    assert decode(from_base64url(asked["body"])) == {"targets": [bytes.fromhex(EVENT)], "reason": "author"}


def test_nothing_is_erased_or_pruned_unasked(foedus, node):
    stand(node, ROBOT.did)
    for command in (["erase", EVENT], ["retention", "run", "--days", "30"], ["retention", "skip", "general"]):
        assert foedus(*command).code == 2
    assert [asked for asked in node.asked if asked.method == "POST"] == []


def test_retention_runs_with_days_or_as_the_policy_says(foedus, node):
    node.on("POST", "/retention/run", PruningView(chains=1, events=1000)).on("GET", "/rooms/general", GENERAL)
    assert "1000 events of 1 chains dropped" in foedus("retention", "run").out
    foedus("retention", "run", "--days", "30", "--room", "general", "--yes")
    assert node.bodies("POST", "/retention/run") == [{}, {"days": 30, "room": ROOM}]
    assert foedus("retention", "run", "--room", "general").code == 2
