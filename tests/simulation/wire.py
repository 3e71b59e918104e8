"""The ear on the network: no frame may name or carry a room's chain to a node that was never its member."""

import libipld

from foedus.base.cbor import split_frames
from foedus.base.limits import BATCH_EVENTS_MAX
from foedus.log.streams import parse
from tests.simulation.cheap import opened

_ROOMS = ("room:", "members:")
_ON_ITS_WAY_S = 1.0
_ON_ITS_WAY_US = 1_000_000
"""What was queued when the removal came may still go out."""


class Wire:
    """Counts frames by type, and checks who gets what. ``members``: room → the nodes ever let in by its host."""

    def __init__(self, world):
        self._world = world
        self.members = {}
        self.messages = 0
        self.frames = {}
        self.last_events = 0.0
        self._streams = {}
        self._gone = {}

    def let_in(self, room, node):
        """From now on this node may hear of the room."""
        self.members.setdefault(room, set()).add(node)

    def hear(self, sender, receiver, message):
        self.messages += 1
        data = opened(message)
        if data is None:
            return
        frame = libipld.decode_dag_cbor(data)
        self.frames[frame[0]] = self.frames.get(frame[0], 0) + 1
        self._world.ear.hear(sender, receiver, frame)
        for epoch, stream in self._named(frame):
            if stream.startswith(_ROOMS):
                self._check_member(sender, receiver, frame[0], stream)
            # What the receiver wrote itself may always be shown to it: it may have been restored, or lack its body.
            if frame[0] == "events" and sender.node.store.identities.node_of(epoch) != receiver.place.node:
                self._check_events(sender, receiver, stream)

    def _check_member(self, sender, receiver, kind, stream):
        if receiver.place.node not in self.members.get(stream.partition(":")[2], ()):
            self._world.failed(f"{sender.place} sent {receiver.place}, never a member, {kind} of {stream[:14]}")

    def _check_events(self, sender, receiver, stream):
        if stream.startswith("room:") and self._has_gone(sender, receiver, stream.partition(":")[2]):
            self._failed_to_stop(sender, receiver, "whose removal it knew", stream)
        if stream.startswith((*_ROOMS, "knowledge:")) and self._is_closed(sender, receiver, stream):
            self._failed_to_stop(sender, receiver, "against their agreement", stream)

    def _failed_to_stop(self, sender, receiver, why, stream):
        self._world.failed(f"{sender.place} sent {receiver.place}, {why}, events of {stream[:14]}")

    def _has_gone(self, sender, receiver, room):
        """Whether the sender has known for a while that the receiver is a member no more."""
        held = sender.node.store.admission.authority.rooms.get(bytes.fromhex(room))
        key = (sender, receiver.place, room)
        if held is None or not held.host or receiver.place.node in held.present():
            self._gone.pop(key, None)
            return False
        since = self._gone.setdefault(key, self._world.loop.time())
        return self._world.loop.time() > since + _ON_ITS_WAY_S

    def _is_closed(self, sender, receiver, stream):
        """Whether the sender has known for a while that its agreement with the receiver lets no rooms pass."""
        terms = sender.node.agreements.in_force(receiver.place.node)
        since = self._world.versions.changed.get((sender, receiver.place.node), 0.0)
        if terms is None or self._world.loop.time() < since + _ON_ITS_WAY_S:
            return False
        return bool(terms.refuses(sender.place.node, parse(stream), sender.node.store.now() - _ON_ITS_WAY_US))

    def _named(self, frame):
        """Return the chains that a frame names or carries."""
        match frame:
            case ["events", batch]:
                self.last_events = self._world.loop.time()
                return [self._stream(envelope) for envelope in split_frames(batch, BATCH_EVENTS_MAX)]
            case ["cursors" | "ack", positions, _]:
                return [(position[0], position[1]) for position in positions]
            case ["proof", one, other]:
                return [self._stream(one), self._stream(other)]
        return []

    def _stream(self, envelope):
        stream = self._streams.get(envelope)
        if stream is None:
            event = libipld.decode_dag_cbor(libipld.decode_dag_cbor(envelope)[0])
            stream = self._streams[envelope] = event["epoch"], event["stream"]
        return stream
