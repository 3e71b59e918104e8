"""The names that people here gave to peers and participants: theirs alone, and stronger than any claim.

A name that others claim is marked where it looks like one that is known here (``identity.lookalikes``).
"""

from __future__ import annotations

from collections.abc import Iterator

from foedus.base.errors import NotFound, UsageError
from foedus.identity.lookalikes import looks_alike
from foedus.log.port import Value
from foedus.node.home import check_name
from foedus.node.store import Store

SPACE = "petnames"
PETNAMES_MAX = 1_024
"""As many as a node has peers (``base.limits.PEERS_MAX``); all are compared with a name that is shown."""


class Petnames:
    """Names by whole id: a node's (hex) or a participant's DID. Durable before they are shown."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._names = {key.decode(): name.decode() for key, name in store.log.values(SPACE).items()}

    def all(self) -> dict[str, str]:
        """Return id → name, by name."""
        return dict(sorted(self._names.items(), key=lambda item: (item[1], item[0])))

    def of(self, whole_id: str) -> str:
        """Return the name given to an id, or ''."""
        return self._names.get(whole_id, "")

    def id_of(self, name: str) -> str:
        """Return the id that has this name here, or ''."""
        return next((whole_id for whole_id, given in self._names.items() if given == name), "")

    async def put(self, whole_id: str, name: str) -> None:
        """Name an id; raise UsageError where another has a name that looks alike, or too many are named."""
        name = check_name(name)
        if other := next(self.like(whole_id, name), ""):
            raise UsageError(
                f"{name!r} looks like {other!r}, which you gave to another",
                code="name_looks_alike",
                remedy="choose a name that nobody can take for it",
            )
        if whole_id not in self._names and len(self._names) >= PETNAMES_MAX:
            raise UsageError(f"{PETNAMES_MAX} names are given", code="too_many_names", remedy="remove some first")
        await self._store.put(Value(SPACE, whole_id.encode(), name.encode()))
        self._names[whole_id] = name

    async def remove(self, whole_id: str) -> None:
        """Take a name back; raise NotFound where none was given."""
        if whole_id not in self._names:
            raise NotFound(f"{whole_id[:80]} has no name here", code="unknown_name", remedy="see `foedus name list`")
        await self._store.put(Value(SPACE, whole_id.encode(), None))
        del self._names[whole_id]

    def like(self, whole_id: str, name: str) -> Iterator[str]:
        """Yield the names of others that ``name``, used by ``whole_id``, may be taken for."""
        for other, given in self._names.items():
            if other != whole_id and looks_alike(name, given):
                yield given
