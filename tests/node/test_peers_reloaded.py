"""After a commit that failed the node goes on with the peers that the disk holds, and with what becomes of them."""

from foedus.base.errors import Unavailable
from foedus.node.peers import PEERS
from foedus.trust.peer import State
from tests.node.nodes import connect, street, until


async def test_who_looks_at_the_peers_sees_what_becomes_of_them_after_a_reload(tmp_path):
    """Doors and agreements looked at the book as it was before: a peer that was disconnected stayed let in."""
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        await connect(a, b)
        a.node.store.reload()
        assert a.node.agreements.in_force(bytes.fromhex(b.id)) is not None
        await a.service.peer_disconnect(b.id)
        assert a.node.agreements.in_force(bytes.fromhex(b.id)) is None
        assert a.node.audience.tier(bytes.fromhex(b.id)) is None


async def test_an_end_that_was_not_stored_is_heard_again_on_the_next_link(tmp_path):
    """While it was being stored the link ended, and none was wanted any more: one of the two stayed connected."""
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        await connect(a, b)
        store, here = b.node.store, bytes.fromhex(a.id)
        write = store._writer.commit
        refused = []

        async def refuse_the_first(commit, generation):
            if not refused and any(value.space == PEERS for value in commit.values):
                refused.append(b.node.peers.book.peer(here).state)
                await until(lambda: b.node.links.get(here) is None, "the link has ended")
                raise Unavailable("no space left", code="disk_full")
            return await write(commit, generation)

        store._writer.commit = refuse_the_first
        await a.service.peer_disconnect(b.id)
        await until(lambda: refused and store.generation, "the write has failed")
        await until(lambda: b.node.peers.book.peer(here).state is State.DISCONNECTED, "it is told again")
        assert refused == [State.DISCONNECTED]
