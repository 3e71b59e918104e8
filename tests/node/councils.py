"""Councils of real nodes, for the tests of them."""

from contextlib import asynccontextmanager
from itertools import combinations

from foedus.base.errors import FoedusError
from foedus.consensus.machine import Put
from tests.node.nodes import connect, street, until
from tests.node.people import enrol

NAMES = ("alice", "bob", "carol", "dora")


@asynccontextmanager
async def connected(folder, names=NAMES, people=()):
    """Nodes, each connected to each. ``people``: of the first, whom agreements then name."""
    async with street(folder) as it:
        it.people = {}
        nodes = [await it.add(name) for name in names]
        for name in people:
            it.people[name] = await enrol(nodes[0], name)
        for one, other in combinations(nodes, 2):
            await connect(one, other)
        yield it, nodes


async def found(nodes, name="board", interval=8, *, seal=False):
    """A council of these nodes, which all have joined. Its epochs end soon: after three intervals at most."""
    first, *others = nodes
    ids = [other.node.store.node for other in others]
    held = await first.node.councils.foundings.create(name, ids, interval, seal=seal)
    council = held.founding.id
    for other in others:
        await until(lambda other=other: other.node.councils.foundings.held(council), f"{other.name} is asked")
        await other.node.councils.join(council)
    await until(lambda: all(begun(node, council) for node in nodes), "all have begun")
    return council


def seat(node, council):
    return node.node.councils.seat(council)


def begun(node, council):
    return node.node.councils.has_begun(council)


def value(node, council, key):
    return node.node.councils.driver(council).replica.ledger.machine.get(key)


def root(node, council):
    return node.node.councils.driver(council).replica.ledger.root()


def epoch(node, council):
    try:
        return seat(node, council).membership.epoch
    except FoedusError:
        return None


async def put(node, council, key, data):
    return await node.node.councils.propose(council, Put(key, data, None))


async def all_hold(nodes, council, key, data):
    def holds(node):
        try:
            return value(node, council, key) == data
        except FoedusError:  # it is not up now
            return False

    await until(lambda: all(holds(node) for node in nodes), f"all hold {key}")


async def all_in(nodes, council, number):
    await until(
        lambda: all(epoch(node, council) == number and begun(node, council) for node in nodes),
        f"all are in epoch {number}",
        60,
    )


async def all_wish(nodes, council, other, *, add):
    for node in nodes:
        await seat(node, council).wishing.wish(other.node.store.node, add=add)
