"""Who gets a chain whose beginning is dropped has the values all the same, by the snapshots of the chain's node."""

import pytest

from foedus.base.limits import DAY
from foedus.log import streams
from foedus.node.room_forms import Said
from tests.node.aging import aging_pair
from tests.node.nodes import connect, until
from tests.node.searching import files_with
from tests.node.test_crdts import do, equal, fresh, show

WRITTEN = {"old 0": 0, "old 1": 1, "new": 2, "theirs": 3}


@pytest.fixture
async def road(tmp_path):
    async with aging_pair(tmp_path) as nodes:
        yield nodes


async def checkpoint(road, it):
    await it.service.say_batch("plans", [Said(text=f"words {n}") for n in range(5)])
    await it.node.checkpointer._write((it.node.store.epoch, f"room:{road.room}"), it.node.store.now())


async def grow(road):
    """Old deltas of all types at anna, under a checkpoint; then ten days later new ones at both."""
    anna, bert = road.anna, road.bert
    for number in range(2):
        await do(anna, type="map", set={f"old {number}": number, "gone": number})
        await do(anna, "count", type="counter", by=5)
        await do(anna, "bag", type="set", add=[f"old {number}", "gone"])
    await do(anna, "bag", type="set", remove=["gone"])
    await checkpoint(road, anna)
    road.clock.ahead = 10 * DAY
    await do(anna, type="map", set={"new": 2}, remove=["gone"])
    await equal(anna, bert, wanted={"old 0": 0, "old 1": 1, "new": 2})
    await do(bert, type="map", set={"theirs": 3})
    await do(bert, "count", type="counter", by=-1)
    await equal(anna, bert, wanted=WRITTEN)
    await equal(anna, bert, wanted=9, name="count")


async def check(*nodes):
    await equal(*nodes, wanted=WRITTEN)
    await equal(*nodes, wanted=9, name="count")
    await equal(*nodes, wanted=["old 0", "old 1"], name="bag")
    for name in ("board", "count", "bag"):
        digests = {await fresh(it, name) for it in nodes}
        assert len(digests) == 1, name
        assert [(await show(it, name)).holes for it in nodes] == [0] * len(nodes)


async def test_a_late_node_gets_the_snapshot_and_the_tail(road):
    await grow(road)
    pruned = await road.anna.service.retention_run(5, "")
    assert pruned.events > 0
    carl = await road.add("carl", road.clock)
    await connect(carl, road.anna)
    await road.anna.service.room_share("plans", carl.id)
    await check(road.anna, road.bert, carl)
    assert not [row for row in carl.node.log.since(0, 1_000) if b"old 0" in (row.envelope.body or b"") and row.seq < 9]
    await do(carl, "bag", type="set", remove=["old 1"])
    await equal(road.anna, road.bert, carl, wanted=["old 0"], name="bag")


async def test_one_who_drops_what_another_wrote_keeps_its_value(road):
    await grow(road)
    assert await road.anna.node.snapshots.write_due(everything=True) == 3
    await until(lambda: snapshots_at(road, road.bert), "bert has them")
    assert (await road.bert.service.retention_run(5, "")).events > 0
    await check(road.anna, road.bert)


def snapshots_at(road, it):
    rows = it.node.log.since(0, 1_000, f"room:{road.room}")
    return [row for row in rows if row.kind == "crdt.snapshot" and row.envelope.body is not None]


async def test_without_a_snapshot_it_says_that_something_is_missing(road):
    await grow(road)
    assert (await road.bert.service.retention_run(5, "")).events > 0
    view = await show(road.bert)
    assert view.value == {"new": 2, "theirs": 3}
    assert view.holes == 1


async def test_an_erased_delta_is_in_no_snapshot_that_stays(road):
    secret = await do(road.anna, type="map", set={"a": "the-secret"})
    await do(road.anna, type="map", set={"b": 1})
    snapshots = road.anna.node.snapshots
    assert await snapshots.write_due(everything=True) == 1
    assert await snapshots.write_due(everything=True) == 0
    await until(lambda: snapshots_at(road, road.bert), "bert has it")
    await road.anna.service.erase(secret.id, "author")
    await equal(road.anna, road.bert, wanted={"b": 1})
    for it in (road.anna, road.bert):
        await until(lambda it=it: not any(b"the-secret" in row.envelope.body for row in snapshots_at(road, it)), "gone")
        await it.node.eraser.idle()
    await until(lambda: len(snapshots_at(road, road.bert)) == 1, "one is left")
    for it in (road.anna, road.bert):
        await until(lambda it=it: not files_with(it.path, b"the-secret"), f"{it.name} has it in no file")


async def test_after_a_crash_a_snapshot_with_an_erased_delta_is_found_stale(road):
    secret = await do(road.anna, type="map", set={"a": "the-secret"})
    await do(road.anna, type="map", set={"b": 1})
    await road.anna.node.snapshots.write_due(everything=True)
    road.anna.node.eraser.on_erased.clear()
    await road.anna.service.erase(secret.id, "author")
    await road.anna.node.eraser.idle()
    await road.stop("anna")
    anna = await road.start("anna", road.clock)
    assert await anna.node.snapshots.write_due() == 1
    await until(lambda: not any(b"the-secret" in row.envelope.body for row in snapshots_at(road, anna)), "gone")
    assert await anna.node.snapshots.write_due(everything=True) == 0


async def test_a_snapshot_is_due_by_number_and_by_age(road, monkeypatch):
    monkeypatch.setattr("foedus.node.crdt_snapshots.SNAPSHOT_DELTAS", 3)
    snapshots = road.anna.node.snapshots
    await do(road.anna, "count", type="counter", by=1)
    assert await snapshots.write_due() == 0
    road.clock.ahead = 2 * DAY
    assert await snapshots.write_due() == 1
    road.clock.ahead = 4 * DAY
    assert await snapshots.write_due() == 0
    (second,) = snapshots_at(road, road.anna)
    for _ in range(3):
        await do(road.anna, "count", type="counter", by=1)
    await until(lambda: second.id not in ids(road), "the node makes another by itself, and erases the old one")
    assert (await show(road.anna, "count")).value == 4
    (third,) = snapshots_at(road, road.anna)
    road.anna.node.retention.days = {"room": 5}
    road.clock.ahead = 6 * DAY
    await snapshots.write_due()
    await until(lambda: ids(road) and third.id not in ids(road), "what would be dropped is made anew")


def ids(road):
    return {row.id for row in snapshots_at(road, road.anna)}


async def test_a_node_may_not_say_in_a_snapshot_what_others_said(road):
    """Bert's snapshot that claims a word of anna's, or of a later clock than its own, counts nowhere."""
    await grow(road)
    await checkpoint(road, road.bert)
    await road.bert.say("the last")
    await until(lambda: "the last" in road.anna.texts(), "anna has it")
    road.clock.ahead = 30 * DAY
    stream = streams.room(bytes.fromhex(road.room))
    bert = road.bert.node
    book = await bert.snapshots._read(stream)
    state = book.fold.states["board", "map"]
    room = bert.store.admission.authority.rooms[bytes.fromhex(road.room)]
    assert (await road.anna.service.retention_run(5, "")).chains == 2
    word = state.entries["theirs"]
    for forged in (word._replace(node=road.anna.node.store.node), word._replace(us=1 << 61), word):
        state.entries["forged"] = forged
        await bert.snapshots._write(stream, ("board", "map"), book, [room.of(bert.store.node, None).id])
        await road.bert.say(f"after {forged.us} {forged.node.hex()}")
        await until(lambda it=forged: f"after {it.us} {it.node.hex()}" in road.anna.texts(), "anna has it")
        view = await show(road.anna)
        if forged is not word:
            assert view.value == {"old 0": 0, "old 1": 1, "new": 2}
            assert view.holes == 1
    assert view.value == WRITTEN | {"forged": 3}
