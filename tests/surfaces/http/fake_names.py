"""The part of the fake NodeService that gives names."""

from types import MappingProxyType

from foedus.base.errors import NotFound
from foedus.values.node import NameView


class FakeNames:
    """Names whatever it is asked to."""

    given = MappingProxyType({})

    def names(self):
        return [NameView(id=whole_id, name=name) for whole_id, name in self.given.items()]

    async def name_set(self, who, name):
        self.given = {**self.given, who: name}
        return NameView(id=who, name=name)

    async def name_remove(self, who):
        if who not in self.given:
            raise NotFound("it has no name here")
        self.given = {whole_id: name for whole_id, name in self.given.items() if whole_id != who}
