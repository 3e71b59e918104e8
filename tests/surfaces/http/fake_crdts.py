"""The part of the fake NodeService that holds CRDTs: maps only."""

from types import MappingProxyType

from foedus.base.errors import NotFound, UsageError
from foedus.values.crdts import CrdtView
from foedus.values.node import Placed


class FakeCrdts:
    """Keeps what is set."""

    held = MappingProxyType({})

    async def crdts(self, room):
        self.room(room)
        return [self._crdt_view(name) for name in sorted(self.held)]

    async def crdt(self, room, name, **asked):
        self.room(room)
        self._note("crdt", name, asked)
        if name not in self.held:
            raise NotFound("there is no such CRDT")
        return self._crdt_view(name)

    def _crdt_view(self, name):
        value = self.held[name]
        return CrdtView(room="aa" * 32, name=name, type="map", entries=len(value), writers=[], holes=0, value=value)

    async def crdt_do(self, room, name, asked):
        self.room(room)
        self._note("crdt_do", name, asked)
        if asked.type != "map":
            raise UsageError("the fake has maps only")
        self.held = {**self.held, name: {**self.held.get(name, {}), **asked.set}}
        return Placed(id="ab" * 32, stream=f"room:{room}", seq=1, hlc=[1, 0])

    async def crdt_act(self, room, name, act):
        self.room(room)
        self._note("crdt_act", name, act)
        return Placed(id="ab" * 32, stream=f"room:{room}", seq=1, hlc=[1, 0])
