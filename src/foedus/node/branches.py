"""Takes up the branches that other nodes' new epochs chose, where that is known only later (``Admission.heal``)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from foedus.base.errors import FoedusError
from foedus.base.limits import SECOND
from foedus.node.publisher import Published
from foedus.node.store import Store

_ASK_AGAIN = SECOND
"""The same events are asked for once a second at most: each answer brings the next id."""


class BranchCollector:
    """Collects chosen branches, event by event, from whoever holds them. ``ask``: want events by id from all links."""

    def __init__(self, store: Store, ask: Callable[[list[bytes]], None]) -> None:
        self._store = store
        self._ask = ask
        self._asked: tuple[bytes, ...] = ()
        self._asked_at = 0
        store.publisher.bookkeepers.append(self._published)

    def _published(self, published: Published) -> None:
        if published.commit.proofs or published.commit.records:
            asyncio.get_running_loop().call_soon(self.collect)

    def collect(self) -> None:
        """Go on with what is open; costs nothing where nothing is."""
        admission = self._store.admission
        owners = {owner for owner, _ in admission.authority.cuts.unsettled}
        wanted: tuple[bytes, ...] = ()
        for owner in owners:
            commit, missing = admission.heal(owner)
            wanted += missing
            if any(commit):
                try:
                    self._store.begin_commit(commit)
                except FoedusError:
                    return  # the node stops; what is not durable was never there
        self._request(wanted)

    def _request(self, wanted: tuple[bytes, ...]) -> None:
        now = self._store.now()
        if wanted and (wanted != self._asked or now - self._asked_at >= _ASK_AGAIN):
            self._asked, self._asked_at = wanted, now
            self._ask(list(wanted))
