"""After a commit that failed the node goes on with the peers that the disk holds, and with what becomes of them."""

from tests.node.nodes import connect, street


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
