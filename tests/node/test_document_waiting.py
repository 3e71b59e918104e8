"""A document of which more waits than may is whole again when what it waits for comes: now, and folded anew."""

from foedus.log import streams
from foedus.state.documents import waiting
from tests.node.document_client import editing, folded
from tests.node.nodes import share, street, until
from tests.node.people import agent
from tests.state.documents.test_order import canonical, history, merged
from tests.state.documents.test_waiting import FEW, Steady


async def write(running, who, updates):
    """Write updates as they are, in the order given."""
    room = running.service._rooms.find("plans")
    bodies = [{"document": "page", "part": 0, "parts": 1, "update": update} for update in updates]
    drafts = [running.service._rooms.draft(room, "document.update", body, who) for body in bodies]
    await running.service._rooms.place(drafts)


async def test_it_recovers_as_the_missing_one_comes_and_after_a_restart(tmp_path, monkeypatch):
    monkeypatch.setattr(waiting, "WAITING_BYTES_MAX", FEW)
    async with street(tmp_path) as road:
        ash = await road.add("ash")
        await share(ash)
        ann = await agent(ash, "ann")
        updates = history(Steady(), clients=1, edits=60)
        stream = streams.room(ash.service._rooms.find("plans").id)
        async with editing(ash, ann) as it:
            await write(ash, ann, reversed(updates[1:]))
            held = (await folded(ash, stream)).documents["page"]
            assert held._waiting.has_let_go
            assert held.kept() is None
            await write(ash, ann, updates[:1])
            whole = canonical(merged(updates))
            await until(lambda: len(str(it)) == 4 * len(updates), "who has it open gets all of it")
        again = (await folded(ash, stream)).documents["page"]
        assert await ash.node.documents.work(lambda: canonical(again.whole())) == whole
        assert not again._waiting.has_let_go
        back = await road.restart("ash")
        once_more = (await folded(back, stream)).documents["page"]
        assert await back.node.documents.work(lambda: canonical(once_more.whole())) == whole
