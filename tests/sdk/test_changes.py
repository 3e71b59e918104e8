"""What a device signs of values that merge is what the node would have made of the same change."""

import pytest

from foedus.base.errors import UsageError
from foedus.node.crdt_asking import delta_of as node_delta_of
from foedus.node.crdt_asking import value_bytes
from foedus.node.crdt_forms import CrdtAsk
from foedus.sdk import Change, Client, Device, TransferAsk
from foedus.sdk.changes import BadChange, delta_of
from foedus.values.crdts import AdditionView
from foedus.values.crdts import TransferAsk as NodeTransferAsk
from tests.node.nodes import street
from tests.node.people import enrol

EPOCH, OTHER = "ab" * 32, "cd" * 32
SEEN = [
    AdditionView(value="b", epoch=OTHER, number=9),
    AdditionView(value="b", epoch=EPOCH, number=7),
    AdditionView(value="c", epoch=EPOCH, number=3),
    AdditionView(value="b", epoch=EPOCH, number=4),
]
CHANGES = [
    {"type": "register", "value": {"a": [1, None, "x"]}},
    {"type": "register", "value": None},
    {"type": "map", "set": {"k": 1, "a": "v"}, "remove": ["z", "z"]},
    {"type": "set", "add": ["a", "b", "a"], "remove": ["c"]},
    {"type": "grow-set", "add": [2, "a", 2]},
    {"type": "counter", "by": 3},
    {"type": "counter", "by": -3},
]


def dots(value):
    return [(bytes.fromhex(it.epoch), it.number) for it in SEEN if value_bytes(it.value) == value]


@pytest.mark.parametrize("fields", CHANGES, ids=lambda it: it["type"])
def test_a_change_is_the_same_delta(fields):
    assert delta_of(Change(**fields), SEEN) == node_delta_of(CrdtAsk(**fields), dots)


def test_a_measurement_is_the_same_delta():
    fields = {"source": "a", "target": "b", "improvement": -5, "confidence": 7, "cycle": 1}
    ours = delta_of(Change(type="transfer", transfers=[TransferAsk(**fields)]), [])
    assert ours == node_delta_of(CrdtAsk(type="transfer", transfers=[NodeTransferAsk(**fields)]), dots)


def test_what_has_no_canonical_bytes_is_refused():
    changes = [
        Change(type="register", value=1.5),
        Change(type="register", value=1 << 70),
        Change(type="set", remove=["nobody added"]),
        Change(type="counter", add=["x"]),
        Change(type="counter"),
    ]
    for change in changes:
        with pytest.raises(BadChange):
            delta_of(change, SEEN)


async def test_a_person_and_an_agent_change_values(tmp_path):
    async with street(tmp_path) as nodes:
        oak = await nodes.add("oak")
        ada = await enrol(oak, "ada")
        device = Device(ada.key, ada.did, oak.node.store.node)
        async with Client(oak.url, oak.node.home.token(), device) as client:
            await client.rooms.create("plans")
            scout = await client.participants.add_agent("scout")
            for change in (Change(type="set", add=["rope", "tar"]), Change(type="set", remove=["tar"])):
                await client.crdts.change("plans", "needs", change)
            await client.crdts.change("plans", "needs", Change(type="set", add=["oars"], as_=scout.did))
            assert sorted((await client.crdts.show("plans", "needs")).value) == ["oars", "rope"]
            with pytest.raises(UsageError):
                await client.crdts.change("plans", "needs", Change(type="counter", add=["x"], as_=scout.did))
