"""CRDTs in a simulation: everybody writes, and in the end all replicas are equal, byte for byte."""

from foedus.base.cbor import decode_as
from foedus.log import streams
from foedus.log.bodies import CrdtDelta
from foedus.log.event import parse_event
from foedus.log.port import Verdict
from foedus.node.crdt_forms import CrdtAsk
from foedus.state.crdt import TYPES, Origin
from foedus.state.crdt.deltas import _KINDS
from foedus.state.crdt.fold import DELTA
from foedus.values.crdts import TransferAsk
from tests.simulation.checks import rooms_of
from tests.state.crdt.histories import TWINS, Done

_VALUES = ["a", "b", "c"]


class Writing:
    """What the people and agents of a scenario write."""

    def __init__(self, scenario):
        self.scenario = scenario
        self.draw = scenario.draw

    async def write(self):
        """Someone writes to a value of a room, itself or by an agent; now and then a node makes its snapshots."""
        scenario = self.scenario
        here = [(place, room) for place in scenario.world.places if place.up for room in scenario._rooms_of(place)]
        if not here:
            return
        place, room = self.draw.choice(here)
        if self.draw.random() < 0.1:
            scenario.world.trace(f"{place} makes snapshots")
            await scenario.do(place, lambda _: place.life.node.snapshots.write_due(everything=True))
            return
        asked = self._asked(await scenario._agent(place))
        placed = await scenario.do(place, lambda service: service.crdt_do(room, asked.type, asked))
        if placed is not None and placed.id:
            scenario.world.trace(f"{place} wrote {asked.type} {placed.seq} in {room[:8]}")
            scenario.acknowledge(placed, place)

    def _asked(self, as_):
        type_, one, other = self.draw.choice(TYPES), *self.draw.sample(_VALUES, 2)
        number = self.draw.randint(-3, 3)
        match type_:
            case "grow-set":
                asked = {"add": [one]}
            case "set":
                asked = {"remove": [one]} if number < 0 else {"add": [one, other]}
            case "register":
                asked = {"value": number}
            case "map":
                asked = {"set": {one: number}, "remove": [other]}
            case "counter":
                asked = {"by": number}
            case _:
                found = TransferAsk(source=one, target=other, improvement=number, confidence=1, cycle=number % 2)
                asked = {"transfers": [found]}
        return CrdtAsk(type=type_, as_=as_, **asked)


async def check(world):
    """Report replicas that differ: from each other, from their own log, from what the twin finds in it."""
    compared = 0
    for room, members in rooms_of(world).items():
        stream = streams.room(room)
        folds = {place: await _checked(world, place, stream) for place in members}
        keys = sorted({key for fold in folds.values() for key in fold.states})
        whole = [(place, fold) for place, fold in folds.items() if not any(fold.holes(key) for key in keys)]
        compared += len(keys) * len(whole)
        for place, fold in whole[1:]:
            if _states(fold) != _states(whole[0][1]):
                world.failed(f"{whole[0][0]} and {place} differ in the values of {stream[:14]}")
    world.trace(f"{compared} replicas are equal")


async def _checked(world, place, stream):
    """Return what a node holds of a room, folded from its log, once it is what it kept and what the twin finds."""
    crdts = place.life.node.crdts
    kept = _states(await crdts.room(stream))
    crdts.forget()
    fold = await crdts.room(stream)
    if kept != _states(fold):
        world.failed(f"{place} keeps other values of {stream[:14]} than its log gives")
    _check_twin(world, place, stream, fold)
    return fold


def _states(fold):
    return {key: state.encode() for key, state in fold.states.items()}


def _check_twin(world, place, stream, fold):
    done = _counted(place, stream)
    for (name, type_), state in fold.states.items():
        by_definition, of_state = TWINS[type_]
        wanted = by_definition(done.get((name, type_), []))
        if of_state(state) != wanted:
            world.failed(f"{place}: {name} in {stream[:14]} is {of_state(state)}, by the log {wanted}")
    if done.keys() != fold.states.keys():
        world.failed(f"{place}: not the values that the log of {stream[:14]} has")


def _counted(place, stream):
    """Return (name, type) → the deltas that count, by a plain walk of the log."""
    node, found = place.life.node, {}
    for row in place.life.disk.log.since(0, 1 << 30, stream):
        event = parse_event(row.envelope).event
        writer = node.store.identities.node_of(row.epoch)
        is_accepted = row.kind == DELTA and row.verdict is Verdict.ACCEPTED
        counts = is_accepted and not node.withholding.clause(row, event, writer)
        if counts and row.envelope.body is not None:
            body = decode_as(row.envelope.body, CrdtDelta)
            delta = decode_as(body.delta, _KINDS[body.type].delta)
            origin = Origin(row.hlc, writer, row.epoch, row.seq)
            found.setdefault((body.name, body.type), []).append(Done(body.type, origin, delta))
    return found
