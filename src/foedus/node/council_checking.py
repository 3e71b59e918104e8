"""The signatures of a council's messages, checked in the node's threads, each once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from foedus.base.ids import sha256
from foedus.consensus.certificates import Check
from foedus.crypto.ed25519 import verify_many
from foedus.node.checking import Checking

REMEMBERED_MAX = 16_384
"""Signatures that held and may come again, in certificates: all votes of a window of 128 places with 31 members."""

_Name: TypeAlias = tuple[bytes, bytes, bytes]
"""Key, hash of what is signed, signature."""


class CouncilChecking:
    """Remembers which signatures of one council hold, so that certificates cost only what is new in them."""

    def __init__(self, checking: Checking) -> None:
        self._checking = checking
        self._held: dict[_Name, None] = {}

    async def hold(self, checks: Sequence[Check]) -> bool:
        """Tell whether every signature holds."""
        new = self._new(checks)
        return await self._verified(list(new.values())) and self._remember(new)

    def hold_now(self, checks: Sequence[Check]) -> bool:
        """Tell whether every signature of a few holds, without a thread."""
        new = self._new(checks)
        return all(verify_many(list(new.values()))) and self._remember(new)

    def _new(self, checks: Sequence[Check]) -> dict[_Name, Check]:
        named = {(check.public, sha256(check.data), check.signature): check for check in checks}
        return {name: check for name, check in named.items() if name not in self._held}

    def _remember(self, held: Iterable[_Name]) -> bool:
        self._held.update(dict.fromkeys(held))
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
