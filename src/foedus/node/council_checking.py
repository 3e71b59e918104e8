"""The signatures of a council's messages, checked in the node's threads, each once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from foedus.base.ids import sha256
from foedus.consensus.certificates import Check
from foedus.node.checking import Checking

REMEMBERED_MAX = 16_384
"""Signatures that held and may come again, in certificates: all votes of a window of 128 places with 31 members."""


class CouncilChecking:
    """Remembers which signatures of one council hold, so that certificates cost only what is new in them."""

    def __init__(self, checking: Checking) -> None:
        self._checking = checking
        self._held: dict[tuple[bytes, bytes, bytes], None] = {}

    async def hold(self, checks: Sequence[Check]) -> bool:
        """Tell whether every signature holds."""
        named = {(check.public, sha256(check.data), check.signature): check for check in checks}
        new = {name: check for name, check in named.items() if name not in self._held}
        if not await self._verified(list(new.values())):
            return False
        self._held.update(dict.fromkeys(new))
        while len(self._held) > REMEMBERED_MAX:
            del self._held[next(iter(self._held))]
        return True

    async def _verified(self, checks: list[Check]) -> bool:
        if not checks:
            return True
        running, answers = self._checking.check([(*check,) for check in checks], at_once=True)
        for part in running:
            answers = [*answers, *await asyncio.wrap_future(part)]
        return all(answers)
