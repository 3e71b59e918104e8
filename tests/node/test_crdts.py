"""CRDTs of rooms across real nodes: one value everywhere, whatever is withdrawn, erased or restarted."""

import asyncio
import time
from contextlib import asynccontextmanager
from functools import partial

import aiohttp
import pytest

from foedus.base.base64url import from_base64url, to_base64url
from foedus.base.cbor import encode
from foedus.base.errors import FoedusError, NotFound, UsageError
from foedus.log import streams
from foedus.node.crdt_asking import delta_of
from foedus.node.crdt_forms import CrdtAsk
from foedus.node.crdts import TooLarge
from foedus.surfaces.cli.signing import Draft
from foedus.values.crdts import TransferAsk
from tests.node.nodes import WAIT_S, connect, share, street, until
from tests.node.people import agent, enrol, trusted_agent


@asynccontextmanager
async def pair(folder, people=None):
    """Two connected nodes in one room, ``plans``, that the first hosts. ``people`` come to the second before that."""
    async with street(folder) as road:
        ash, elm = await road.add("ash"), await road.add("elm")
        road.person = await people(elm) if people else None
        await connect(elm, ash)
        await share(ash, elm)
        yield road, ash, elm


async def do(it, name="board", *, room="plans", as_="", **asked):
    return await it.service.crdt_do(room, name, CrdtAsk(as_=as_, **asked))


async def show(it, name="board", **asked):
    return await it.service.crdt("plans", name, **asked)


async def equal(*nodes, wanted, name="board"):
    """Wait until all show this value, and see that their bytes are the same."""
    end = time.monotonic() + WAIT_S
    views = []
    while time.monotonic() < end:
        try:
            views = [await show(it, name) for it in nodes]
        except NotFound:
            views = []
        if views and all(view.value == wanted for view in views) and len({view.digest for view in views}) == 1:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"not {wanted}: {views}")


async def fresh(it, name="board"):
    """The digest as somebody finds it who folds the room from the log."""
    it.node.crdts.forget()
    return (await show(it, name)).digest


async def test_one_map_is_written_at_two_nodes(tmp_path):
    async with pair(tmp_path) as (_, ash, elm):
        await do(ash, type="map", set={"a": 1, "b": [True, None]})
        await equal(ash, elm, wanted={"a": 1, "b": [True, None]})
        await do(elm, type="map", set={"a": 2}, remove=["b"])
        await equal(ash, elm, wanted={"a": 2})
        view = await show(ash)
        assert view.writers == sorted([ash.id, elm.id])
        assert view.holes == 0
        assert (await show(ash, entry="a")).value == {"a": 2}
        assert view.digest == await fresh(ash) == await fresh(elm)


async def test_each_type_has_its_operations(tmp_path):
    async with pair(tmp_path) as (_, ash, elm):
        await do(ash, "grown", type="grow-set", add=["x", {"y": 1}])
        await do(ash, "set", type="set", add=["x", "y"])
        await do(ash, "register", type="register", value=None)
        await do(ash, "count", type="counter", by=5)
        await equal(elm, wanted=5, name="count")
        await do(elm, "count", type="counter", by=-7)
        await do(elm, "set", type="set", add=["z"], remove=["x"])
        found = {"improvement": 300_000, "confidence": 500_000, "cycle": 2}
        await do(elm, "priors", type="transfer", transfers=[TransferAsk(source="chess", target="go", **found)])
        await equal(ash, elm, wanted=-2, name="count")
        await equal(ash, elm, wanted=["y", "z"], name="set")
        await equal(ash, elm, wanted=["x", {"y": 1}], name="grown")
        await equal(ash, elm, wanted=None, name="register")
        await equal(ash, elm, wanted={"go": {"best": "chess", "sources": {"chess": found}}}, name="priors")
        names = [view.name for view in await ash.service.crdts("plans")]
        assert names == ["count", "grown", "priors", "register", "set"]


async def test_who_adds_at_the_same_time_is_not_overruled(tmp_path):
    async with pair(tmp_path) as (road, ash, elm):
        await do(ash, type="set", add=["x"])
        await equal(ash, elm, wanted=["x"])
        await road.stop("elm")
        await do(ash, type="set", remove=["x"])
        assert (await show(ash)).value == []
        back = await road.start("elm")
        await equal(ash, back, wanted=[])
        with pytest.raises(UsageError, match="none of these"):
            await do(back, type="set", remove=["x"])


async def test_what_is_no_operation_is_refused_by_name(tmp_path):
    async with pair(tmp_path) as (_, ash, _elm):
        await do(ash, type="map", set={"a": 1})
        wrong = [
            {"type": "counter", "by": 1},
            {"type": "map", "add": [1]},
            {"type": "map"},
            {"type": "map", "set": {"a": 1.5}},
            {"type": "map", "set": {"a": 1 << 70}},
            {"type": "map", "set": {"": 1}},
            {"type": "map", "set": {"a": 1}, "remove": ["a"]},
            {"type": "map", "remove": [1]},
            {"type": "tree", "set": {"a": 1}},
            {"type": "map", "set": {str(number): 0 for number in range(1_025)}},
            {"type": "map", "set": {"a": "x" * 70_000}},
        ]
        for asked in wrong:
            with pytest.raises(FoedusError) as refused:
                await do(ash, **asked)
            assert refused.value.code in {"bad_operation", "unequal_types", "too_large"}, asked
        with pytest.raises(NotFound):
            await show(ash, "nothing")
        assert (await show(ash)).value == {"a": 1}


async def test_a_person_signs_a_delta_on_a_device(tmp_path):
    async with pair(tmp_path) as (_, ash, elm):
        ada = await enrol(elm, "ada")
        room = f"room:{elm.service.room('plans').room}"
        delta = delta_of(CrdtAsk(type="register", value="signed"), lambda _: ())
        body = {"name": "board", "type": "register", "delta": delta}
        act = ada.act(room, "crdt.delta", body, (ada.enrolment, ada.membership()))
        await elm.service.crdt_act("plans", "board", act)
        await equal(ash, elm, wanted="signed")
        broken = ada.act(room, "crdt.delta", body | {"delta": encode({})}, (ada.enrolment, ada.membership()))
        with pytest.raises(UsageError):
            await elm.service.crdt_act("plans", "board", broken)


async def test_an_agent_needs_a_human_to_write_in_a_foreign_room(tmp_path):
    async with pair(tmp_path, partial(enrol, name="ada")) as (road, ash, elm):
        await agent(elm, "untrusted")
        placed = await do(elm, as_="untrusted", type="counter", by=1)
        assert placed.approval
        view = await elm.service.approval(placed.approval)
        assert view.text == 'counter board: {"plus":1,"minus":0}'
        await do(ash, type="counter", by=10)
        await equal(ash, elm, wanted=10)
        await road.person.allow(placed.approval)
        await equal(ash, elm, wanted=11)


async def test_an_agent_with_a_grant_writes_in_a_foreign_room(tmp_path):
    async with pair(tmp_path, partial(trusted_agent, name="scribe")) as (_, ash, elm):
        placed = await do(elm, as_="scribe", type="counter", by=1)
        assert placed.id
        await equal(ash, elm, wanted=1)


async def test_an_agent_with_its_own_key_asks_and_signs_what_was_allowed(tmp_path):
    async with pair(tmp_path, partial(enrol, name="ada")) as (road, ash, elm):
        rover = await enrol(elm, "rover", kind="agent")
        delta = delta_of(CrdtAsk(type="counter", by=4), lambda _: ())
        body = {"name": "board", "type": "counter", "delta": delta}
        asked = await elm.service.approval_ask("plans", "rover", "", to_base64url(encode(body)))
        assert (asked.state, asked.kind) == ("waiting", "crdt.delta")
        await road.person.allow(asked.id)
        allowed = await elm.service.approval_ask("plans", "rover", "", to_base64url(encode(body)))
        auth = (rover.enrolment, rover.membership(), *(bytes.fromhex(grant) for grant in allowed.grants))
        draft = Draft(rover.did, f"room:{elm.service.room('plans').room}", "crdt.delta", body, auth)
        await elm.service.crdt_act("plans", "board", rover.sign(draft, from_base64url(allowed.salt, "salt")))
        await equal(ash, elm, wanted=4)
        with pytest.raises(UsageError):
            await elm.service.approval_ask("plans", "rover", "", to_base64url(b"\xa0"))


async def test_an_agent_writes_by_its_token_as_itself_and_reads_where_it_is(tmp_path):
    async with pair(tmp_path, partial(trusted_agent, name="scribe")) as (_, ash, elm), aiohttp.ClientSession() as web:
        token = (await elm.service.token_issue("scribe", "")).token
        headers = {"Authorization": f"Bearer {token}"}
        path = f"{elm.url}/api/v1/rooms/plans/crdts/board"
        asked = {"type": "map", "set": {"by": "token"}}
        async with web.post(path, json=asked | {"as": "ash"}, headers=headers) as answer:
            assert answer.status in {403, 404}
        async with web.post(path, json=asked, headers=headers) as answer:
            assert answer.status == 201
        await equal(ash, elm, wanted={"by": "token"})
        author = elm.service.events(limit=1_000).events[-1].author
        assert author == elm.node.agents.find("scribe").did
        assert elm.node.agents.find("scribe").did not in elm.node.consent._readers
        await do(ash, type="map", set={"by": "ash"})
        await equal(ash, elm, wanted={"by": "ash"})
        async with web.get(path, headers=headers) as answer:
            assert (await answer.json())["value"] == {"by": "ash"}
        assert elm.node.agents.find("scribe").did in elm.node.consent._readers, "it has read strangers"
        for wrong in ({}, {"type": "map", "act": "AA"}, {"type": 1}, {"type": "map", "sett": {}}):
            async with web.post(path, json=wrong, headers=headers) as answer:
                assert (answer.status, (await answer.json())["code"]) == (400, "malformed_request")


async def test_a_spectator_may_not_write(tmp_path):
    async with pair(tmp_path) as (_, ash, elm):
        await do(elm, type="counter", by=1)
        await equal(ash, elm, wanted=1)
        await ash.service.room_role("plans", elm.id, 50)
        await until(lambda: elm.service.room("plans").members[-1].role == 50, "elm knows")
        with pytest.raises(UsageError) as refused:
            await do(elm, type="counter", by=1)
        assert refused.value.code == "room.role"
        await equal(ash, elm, wanted=1)


async def test_an_erased_delta_leaves_the_value(tmp_path):
    async with pair(tmp_path) as (road, ash, elm):
        await do(ash, type="map", set={"a": 1})
        secret = await do(ash, type="map", set={"a": "secret", "b": 2})
        await do(elm, type="map", set={"c": 3})
        await equal(ash, elm, wanted={"a": "secret", "b": 2, "c": 3})
        await ash.service.erase(secret.id, "author")
        await equal(ash, elm, wanted={"a": 1, "c": 3})
        back = await road.restart("elm")
        await equal(ash, back, wanted={"a": 1, "c": 3})
        assert await fresh(ash) == await fresh(back)


async def test_who_is_paused_or_revoked_is_folded_out_and_in_again(tmp_path):
    async with pair(tmp_path) as (_, ash, elm):
        await do(elm, type="set", add=["theirs"])
        await do(ash, type="set", add=["ours"])
        await equal(ash, elm, wanted=["ours", "theirs"])
        await ash.service.peer_tier(elm.id, "EXTERNAL")
        await equal(ash, wanted=["ours"])
        assert (await show(ash)).holes == 1
        await ash.service.peer_tier(elm.id, "CORE")
        await equal(ash, elm, wanted=["ours", "theirs"])


async def test_a_restarted_node_folds_the_same_from_its_log(tmp_path):
    async with pair(tmp_path) as (road, ash, elm):
        for number in range(5):
            await do(ash, type="set", add=[number])
            await do(elm, "count", type="counter", by=number)
        await do(ash, type="set", remove=[1, 3])
        await equal(ash, elm, wanted=[0, 2, 4])
        await equal(ash, elm, wanted=10, name="count")
        before = [(await show(ash, name)).digest for name in ("board", "count")]
        back = await road.restart("ash")
        assert [(await show(back, name)).digest for name in ("board", "count")] == before


async def test_what_is_written_or_erased_while_a_room_is_folded_is_in_it(tmp_path, monkeypatch):
    monkeypatch.setattr("foedus.node.crdts._PAGE", 1)
    async with pair(tmp_path) as (_, ash, _elm):
        placed = [await do(ash, type="set", add=[number]) for number in range(6)]
        stream = f"room:{ash.service.room('plans').room}"
        ash.node.crdts.forget()
        folding = asyncio.create_task(ash.node.crdts.room(stream))
        await asyncio.gather(do(ash, type="set", add=["late"]), ash.service.erase(placed[0].id, "author"))
        await folding
        digest = (await show(ash)).digest
        assert (await show(ash)).value == [1, 2, 3, 4, 5, "late"]
        assert digest == await fresh(ash)


async def test_a_room_that_is_too_large_is_refused_by_name(tmp_path, monkeypatch):
    async with pair(tmp_path) as (_, ash, _elm):
        monkeypatch.setattr("foedus.node.crdts.ENTRIES_MAX", 4)  # a value and three keys
        await do(ash, type="map", set={"a": 1, "b": 2, "c": 3})
        await do(ash, type="map", set={"d": 4})
        with pytest.raises(TooLarge, match=f"5 came from {ash.id}"):
            await show(ash)
        monkeypatch.setattr(type(ash.node.log), "since", lambda *_: pytest.fail("all of it was read again"))
        with pytest.raises(TooLarge):
            await show(ash)
        monkeypatch.undo()
        last = next(row for row in reversed(ash.service.events(limit=1_000).events) if row.kind == "crdt.delta")
        await ash.service.erase(last.id, "author")
        await until(lambda: not ash.node.crdts._refused, "something of it went")
        assert (await show(ash)).value == {"a": 1, "b": 2, "c": 3}
        await do(ash, type="map", set={"d": 4})
        assert (await show(ash)).value == {"a": 1, "b": 2, "c": 3, "d": 4}


async def test_two_types_of_one_name_are_two_crdts(tmp_path):
    async with pair(tmp_path) as (road, ash, _elm):
        await road.stop("elm")
        await do(ash, type="counter", by=1)
        back = await road.start("elm")
        await until(lambda: back.is_linked(ash), "linked")
        await equal(ash, back, wanted=1)
        room = back.service._rooms.find("plans")
        body = {"name": "board", "type": "register", "delta": encode({"value": encode("x")})}
        await back.service._rooms.place([back.service._rooms.draft(room, "crdt.delta", body, "")])
        await until(lambda: len(back.node.crdts._rooms[streams.room(room.id)].of("board")) == 2, "both are folded")
        with pytest.raises(UsageError) as refused:
            await show(back)
        assert refused.value.code == "ambiguous"
        assert (await show(back, type_="register")).value == "x"
        assert (await show(back, type_="counter")).value == 1
