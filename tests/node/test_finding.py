"""What a node looks up for each message: its own record, rooms and participants, by whole ids, names and beginnings."""

import pytest

from foedus.base.errors import NotFound, UsageError
from foedus.node.lookup import id_of
from tests.node.nodes import street


async def test_the_record_at_hand_is_the_one_in_force(tmp_path):
    async with street(tmp_path) as it:
        alice = await it.add("alice")
        store = alice.node.store
        first = store.epoch
        await alice.service.key_rotate()
        assert first != store.epoch == store.identities.newest(store.node).id
        await alice.service.key_recover(" ".join(it.words["alice"]))
        assert store.record == store.identities.newest(store.node)
        assert store.record.record.cause == "recovery"
        store.reload()
        assert store.record == store.identities.newest(store.node)
        assert (await alice.service.room_create("plans")).name == "plans"


async def test_a_room_is_found_by_its_id_before_all_else(tmp_path):
    async with street(tmp_path) as it:
        alice = await it.add("alice")
        room = (await alice.service.room_create("plans")).room
        await alice.service.room_create(room)
        assert [alice.service.room(wanted).room for wanted in (room, "plans", room[:8])] == [room] * 3
        for wanted in (room.upper(), "0" * 64, f" {room[1:]}", "", "é" * 64):
            with pytest.raises(NotFound):
                alice.service.room(wanted)
        await alice.service.room_create("plans")
        with pytest.raises(UsageError, match="names 2 rooms"):
            alice.service.room("plans")


async def test_a_room_that_is_not_opened_here_yet_is_not_found(tmp_path):
    async with street(tmp_path) as it:
        alice = await it.add("alice")
        room = alice.service._rooms.find((await alice.service.room_create("plans")).room)
        room.host = b""
        with pytest.raises(NotFound):
            alice.service.room(room.id.hex())


async def test_a_participant_is_found_by_its_did_before_a_name(tmp_path):
    async with street(tmp_path) as it:
        alice = await it.add("alice")
        scout = await alice.service.participant_add_custodial("scout")
        other = await alice.service.participant_add_custodial("other")
        find = alice.node.agents.find
        find("other").name = scout.did  # nobody is enrolled so by this node
        assert [find(wanted).did for wanted in (scout.did, "scout", other.did)] == [scout.did, scout.did, other.did]
        with pytest.raises(NotFound):
            find("scou")


def test_an_id_is_whole_and_in_lower_case():
    assert id_of("ab" * 32) == b"\xab" * 32
    assert id_of("AB" * 32) == id_of("ab" * 31) == id_of("x" * 64) == id_of("ab " * 21 + "a") == b""
