"""What must hold once the faults have healed and the network is quiet."""

from foedus.log import streams
from foedus.log.port import Verdict

_ALL = 1 << 30


def rooms_of(world):
    """Return room → the places of those that its host holds to be members now."""
    found = {}
    for place in world.places:
        for room_id, room in place.life.node.store.admission.authority.rooms.items():
            if room.host == place.node:
                found[room_id] = [it for it in world.places if it.node in room.present()]
    return found


def heads(place, names):
    """Return what a node holds of these streams, by its durable log: chain → (seq, id); of a forked chain to its cut.

    Beyond the cut each node keeps what it saw first (see ``events``).
    """
    found = {}
    for head in place.life.disk.log.heads():
        if head.stream not in names:
            continue
        found[head.epoch, head.stream] = (head.seq, head.id)
        chain = place.life.node.store.admission.chains.get((head.epoch, head.stream))
        if chain is not None and chain.contested and chain.limit.seq is not None and head.seq > chain.limit.seq:
            cut = place.life.disk.log.chain(head.epoch, head.stream, chain.limit.seq - 1, 1)
            found[head.epoch, head.stream] = (cut[0].seq, cut[0].id) if chain.limit.seq else (0, b"")
    return found


def rows(place, epoch, stream):
    return place.life.disk.log.chain(epoch, stream, 0, _ALL)


def is_converged(world):
    """Whether all members of each room hold the same heads of it; cheap enough to ask again and again."""
    return not differences(world, check=heads)


def differences(world, check):
    """Return (room, member, other member) where ``check`` differs."""
    found = []
    for room, members in rooms_of(world).items():
        names = {streams.members(room), streams.room(room)}
        if members:
            first = check(members[0], names)
            found += [(room, members[0], place) for place in members[1:] if check(place, names) != first]
    return found


def events(place, names):
    """Return all events of streams with their verdicts; of a contested chain those that are honoured.

    What stands beyond the cut of a fork differs: each node has what it saw first, and it counts nowhere.
    """
    log = place.life.disk.log
    contested = {(proof.epoch, proof.stream) for proof in log.proofs()}
    found = {}
    for chain in heads(place, names):
        held = rows(place, *chain)
        if chain in contested:
            held = [row for row in held if row.verdict is Verdict.ACCEPTED]
        found |= {row.id: (row.stream, row.seq, row.verdict.name, row.reason, row.envelope) for row in held}
    return found


def participants(place, names):
    """Return what a member holds of the other members' participants: whoever wrote in the room."""
    del names
    found = {}
    for (node, did), who in place.life.node.store.admission.authority.participants.items():
        found[node, did] = sorted(who.devices)
    return found


def check(world):
    """Report everything that is not as it must be to ``world.failed``."""
    for room, one, other in differences(world, events):
        world.failed(f"{one} and {other} differ in room {room.hex()[:8]}: {_difference(world, room, one, other)}")
    for place in world.places:
        _check_memory(world, place)
        _check_pending(world, place)
    _check_strangers(world)
    _check_acknowledged(world)


def _difference(_world, room, one, other):
    names = {streams.members(room), streams.room(room)}
    left, right = events(one, names), events(other, names)
    only_left = [left[it][:4] for it in left if it not in right]
    only_right = [right[it][:4] for it in right if it not in left]
    unequal = [(left[it][:4], right[it][:4]) for it in left if it in right and left[it] != right[it]]
    return f"only first {_few(only_left)}, only second {_few(only_right)}, judged otherwise {_few(unequal)}"


def _few(items):
    return [str(item) for item in items[:3]] + ([f"… {len(items)}"] if len(items) > 3 else [])


def _check_memory(world, place):
    """What the node has in memory is what is on its disk."""
    store = place.life.node.store
    memory = {chain.key: (chain.seq, chain.id) for chain in store.admission.chains if chain.seq}
    disk = {(head.epoch, head.stream): (head.seq, head.id) for head in place.life.disk.log.heads()}
    if memory != disk:
        world.failed(f"{place}: memory and disk differ in {len(set(memory.items()) ^ set(disk.items()))} heads")


def _check_pending(world, place):
    """Nobody in a room still waits for something that the others have; beyond a fork it counts nowhere."""
    contested = {(proof.epoch, proof.stream) for proof in place.life.disk.log.proofs()}
    for room, members in rooms_of(world).items():
        if place in members:
            for row in place.life.disk.log.pending_rows():
                if row.stream == streams.room(room) and (row.epoch, row.stream) not in contested:
                    world.failed(f"{place}: {row.kind} {row.seq} of {row.stream[:14]} waits for {row.reason!r}")


def _check_strangers(world):
    """No node holds anything of a room into which it was never let, but for its own rooms."""
    for place in world.places:
        rooms = place.life.node.store.admission.authority.rooms
        own = {room_id.hex() for room_id, room in rooms.items() if room.host == place.node}
        for head in place.life.disk.log.heads():
            kind, _, room = head.stream.partition(":")
            if kind in {"room", "members"} and place.node not in world.wire.members.get(room, ()) and room not in own:
                world.failed(f"{place} holds {head.stream[:14]}, of which it was never a member")


def _check_acknowledged(world):
    """What a client was told is done is held by all members of the room."""
    for room, members in rooms_of(world).items():
        name = streams.room(room)
        for place in members:
            held = {row.id for chain in heads(place, {name}) for row in rows(place, *chain)}
            lost = [it for it in world.acknowledged if it.stream == name and it.id not in held]
            for it in lost:
                author = world.place_of(it.node)
                if author in members and it.at < author.doubtful_since:
                    world.failed(
                        f"{place} lacks event {it.seq} of {author} in {name[:14]}, acknowledged at {it.at:.3f}"
                    )
