"""Histories of operations for the laws of CRDTs, and the slow, obvious twin of each type."""

from typing import NamedTuple

from hypothesis import strategies as st

from foedus.base.cbor import encode
from foedus.base.clock import Hlc
from foedus.state.crdt import Origin, delta_bytes, empty, read_delta
from foedus.state.crdt.base import dot, last_dot
from foedus.state.crdt.deltas import (
    CounterDelta,
    GrowSetDelta,
    MapDelta,
    RegisterDelta,
    SetDelta,
    Transfer,
    TransferDelta,
)

NODES = [bytes([number]) * 32 for number in (1, 2, 3)]
"""Each in one epoch, which has its id."""


class Done(NamedTuple):
    """A delta at its place in the log."""

    type: str
    origin: Origin
    delta: object

    @property
    def state(self):
        return read_delta(self.type, delta_bytes(self.delta), self.origin)


VALUES = st.sampled_from([encode(value) for value in (0, 1, "a", b"\x00", None, [1, {"k": "v"}])])
KEYS = st.sampled_from(["a", "b", "ä", "aa"])
AMOUNTS = st.integers(0, 5)
DOTS = st.tuples(st.sampled_from(NODES), st.tuples(st.builds(dot, st.integers(1, 4), st.integers(0, 2))))

DELTAS = {
    "grow-set": st.builds(GrowSetDelta, st.lists(VALUES, min_size=1, max_size=3).map(tuple)),
    "set": st.builds(SetDelta, st.lists(VALUES, max_size=3).map(tuple), st.lists(DOTS, max_size=3).map(tuple)),
    "register": st.builds(RegisterDelta, VALUES),
    "map": st.dictionaries(KEYS, VALUES | st.just(b""), min_size=1, max_size=3).map(
        lambda it: MapDelta({key: value for key, value in it.items() if value}, tuple(key for key in it if not it[key]))
    ),
    "counter": st.builds(CounterDelta, AMOUNTS, AMOUNTS),
    "transfer": st.lists(
        st.builds(Transfer, KEYS, KEYS, st.integers(-3, 3), st.integers(0, 3), st.integers(0, 2)),
        min_size=1,
        max_size=3,
    ).map(lambda it: TransferDelta(tuple(it))),
}
TYPES = st.sampled_from(sorted(DELTAS))


@st.composite
def histories(draw, type_=None, max_size=12):
    """Deltas of one type by three nodes, each in the order of its chain; clocks of different nodes may be equal."""
    type_ = type_ or draw(TYPES)
    clocks, seqs, done = dict.fromkeys(NODES, 0), dict.fromkeys(NODES, 0), []
    for _ in range(draw(st.integers(0, max_size))):
        node = draw(st.sampled_from(NODES))
        clocks[node] += draw(st.integers(1, 2))
        seqs[node] += draw(st.integers(1, 2))
        origin = Origin(Hlc(clocks[node] // 2, clocks[node] % 2), node, node, seqs[node])
        done.append(Done(type_, origin, draw(DELTAS[type_])))
    return type_, done


def folded(type_, done, *, covering=False):
    """Merge one by one. ``covering``: as who reads each chain in order, and so knows how far it has read."""
    state = empty(type_)
    for it in done:
        state.absorb(it.state)
        if covering:
            state.cover(it.origin.epoch, last_dot(it.origin.seq))
    return state


def in_chain_order(done, draw):
    """Another arrival order in which each chain still comes in its own."""
    chains = {node: [it for it in done if it.origin.node == node] for node in NODES}
    mixed = []
    while any(chains.values()):
        mixed.append(chains[draw(st.sampled_from([node for node in NODES if chains[node]]))].pop(0))
    return mixed


# --- the twins: values by definition, from all the deltas at once ---------------------------------


def _winner(writes):
    """The last of ((hlc, node), value)."""
    return max(writes)[1]


def _set_twin(done):
    gone = {(epoch, number) for it in done for epoch, numbers in it.delta.remove for number in numbers}
    return {
        value
        for it in done
        for index, value in enumerate(it.delta.add)
        if (it.origin.epoch, dot(it.origin.seq, index)) not in gone
    }


def _writes(done):
    for it in done:
        stamp = (it.origin.hlc, it.origin.node)
        yield from ((key, (stamp, value)) for key, value in it.delta.set.items())
        yield from ((key, (stamp, b"")) for key in it.delta.remove)


def _map_twin(done):
    writes = list(_writes(done))
    last = {key: _winner([write for other, write in writes if other == key]) for key, _ in writes}
    return {key: value for key, value in last.items() if value}


def _transfer_twin(done):
    claims = {}
    for it in done:
        for source, target, improvement, confidence, cycle in it.delta.transfers:
            claim = (cycle, it.origin.hlc, it.origin.node, confidence, improvement)
            claims.setdefault((source, target), []).append(claim)
    return {pair: max(found) for pair, found in claims.items()}


TWINS = {
    "grow-set": (lambda done: {value for it in done for value in it.delta.add}, lambda state: state.values),
    "set": (_set_twin, lambda state: state.members()),
    "register": (
        lambda done: _winner([((it.origin.hlc, it.origin.node), it.delta.value) for it in done]) if done else None,
        lambda state: state.written.value if state.written else None,
    ),
    "map": (_map_twin, lambda state: {key: it.value for key, it in state.entries.items() if it.value}),
    "counter": (lambda done: sum(it.delta.plus - it.delta.minus for it in done), lambda state: state.value()),
    "transfer": (
        _transfer_twin,
        lambda state: {
            pair: (it.cycle, Hlc(it.us, it.counter), it.node, it.confidence, it.improvement)
            for pair, it in state.measured.items()
        },
    ),
}
"""Type → (the value by definition, the same of a state)."""
