"""What surfaces may do with petnames, for ``Service``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foedus.base.errors import NotFound, UsageError
from foedus.identity.did import key_of
from foedus.node.composition import Node
from foedus.values.node import NameView

_REMEDY = "see `foedus peer list` and `foedus participant list`"


class NameOperations:
    """Operations on names."""

    _node: Node
    if TYPE_CHECKING:

        def _peer_id(self, wanted: str) -> bytes:
            """Return the id of a peer: ``PeerOperations`` does."""
            ...

    def names(self) -> list[NameView]:
        """Return the names given here."""
        return [NameView(id=whole_id, name=name) for whole_id, name in self._node.petnames.all().items()]

    async def name_set(self, who: str, name: str) -> NameView:
        """Give a peer or a participant a name."""
        whole_id = self._named(who)
        await self._node.petnames.put(whole_id, name)
        return NameView(id=whole_id, name=self._node.petnames.of(whole_id))

    async def name_remove(self, who: str) -> None:
        """Take a name back; ``who`` may be the name itself."""
        await self._node.petnames.remove(self._node.petnames.id_of(who) or self._named(who))

    def _named(self, who: str) -> str:
        """Return the whole id: a DID as it is, else that of a peer or of the one participant who says this name."""
        if who.startswith("did:"):
            key_of(who)
            return who
        people = self._node.store.admission.authority.participants.values()
        dids = sorted({it.did for it in people if it.is_enrolled and who in {it.name, self._node.petnames.of(it.did)}})
        try:
            found = [self._peer_id(who).hex(), *dids]
        except NotFound:
            found = dids
        if not found:
            raise NotFound(f"no peer or participant {who[:80]!r} is known here", code="unknown_name", remedy=_REMEDY)
        if len(found) > 1:
            raise UsageError(f"{who[:80]!r} may be any of {', '.join(found)}", code="ambiguous", remedy="give the id")
        return found[0]
