"""Which nodes lie behind which peer: the table against a plain breadth-first walk."""

import random

import pytest

from foedus.base.ids import sha256
from foedus.query.limits import HOPS_MAX
from foedus.query.routing.limits import NODES_MAX, PEERS_MAX
from foedus.query.routing.routes import BadReach, Routes

ME, A, B, C, D, E = (name.encode() * 32 for name in "mabcde")


def settle(links, rounds=HOPS_MAX):
    tables = {node: Routes(node) for node in links}
    for _ in range(rounds):
        told = {node: table.reach() for node, table in tables.items()}
        for node, peers in links.items():
            for peer in peers:
                tables[node].hear(peer, told[peer])
    return tables


def distances(links, start):
    far, edge = {start: 0}, [start]
    for node in edge:
        for peer in links[node]:
            if peer not in far:
                far[peer] = far[node] + 1
                edge.append(peer)
    return {node: hops for node, hops in far.items() if hops < HOPS_MAX}


@pytest.mark.parametrize("seed", range(20))
def test_every_node_knows_how_far_every_other_is(seed):
    draw = random.Random(seed)
    nodes = [sha256(bytes([number])) for number in range(25)]
    links = {node: set() for node in nodes}
    for one, other in zip(nodes, draw.choices(nodes, k=25), strict=True):
        if one != other:
            links[one].add(other)
            links[other].add(one)
    tables = settle(links)
    for node, table in tables.items():
        assert table.reach() == distances(links, node)
        for other in nodes:
            way = table.way(other, None)
            nearest = {peer: distances(links, peer).get(other) for peer in links[node]}
            near = {peer: hops for peer, hops in nearest.items() if hops is not None}
            if other == node or not near:
                assert way is None
            else:
                assert way.hops == min(near.values()) + 1
                assert way.peers == tuple(sorted(peer for peer, hops in near.items() if hops + 1 == way.hops))


def test_a_node_that_is_gone_is_forgotten_after_as_many_rounds_as_hops():
    links = {A: {B}, B: {A, C}, C: {B}}
    tables = settle(links)
    tables[B].forget(C)
    for _ in range(HOPS_MAX):
        told = {node: tables[node].reach() for node in (A, B)}
        tables[A].hear(B, told[B])
        tables[B].hear(A, told[A])
    assert tables[A].way(C, None) is None
    assert tables[A].reach() == {A: 0, B: 1}


def test_a_node_does_not_send_on_what_who_brought_it_reaches_as_fast():
    table = Routes(ME)
    table.hear(A, {A: 0, C: 1, E: 2})
    table.hear(B, {B: 0, C: 1, D: 1, E: 1})
    assert table.way(C, None).peers == (A, B)
    assert table.way(C, A) is None
    assert table.way(E, A) is None  # two links from either of us
    assert table.way(D, A).peers == (B,)
    assert table.way(B, A).hops == 1
    assert table.way(ME, A) is None


@pytest.mark.parametrize(
    "reach",
    [
        {},
        {A: 1},
        {B: 0},
        {A: 0, B: HOPS_MAX},
        {A: 0, B: -1},
        {A: 0, b"short": 1},
        {A: 0, **{sha256(number.to_bytes(2)): 1 for number in range(NODES_MAX)}},
    ],
)
def test_a_reach_of_another_form_is_refused_and_changes_nothing(reach):
    table = Routes(ME)
    table.hear(A, {A: 0, C: 1})
    with pytest.raises(BadReach):
        table.hear(A, reach)
    assert table.reach() == {ME: 0, A: 1, C: 2}


def test_only_the_nearest_are_told_and_only_so_many_peers_are_heard():
    table = Routes(ME)
    far = {sha256(number.to_bytes(2)): 3 for number in range(NODES_MAX - 1)}
    table.hear(A, {A: 0, **far})
    table.hear(B, {B: 0})
    told = table.reach()
    assert len(told) == NODES_MAX
    assert told[ME] == 0
    assert told[A] == told[B] == 1
    for number in range(PEERS_MAX + 5):
        peer = sha256(b"peer", number.to_bytes(2))
        table.hear(peer, {peer: 0})
    assert not table.knows(peer)
