"""What surfaces may do with the audit log and with reputations: the part of ``service`` that speaks to both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from foedus.base.errors import UsageError
from foedus.base.limits import HTTP_PAGE_MAX
from foedus.node.audit_files import read_rows, row_view
from foedus.node.composition import Node
from foedus.values.audit import AuditPage, AuditRowView
from foedus.values.node import Trouble

_FOLLOW_PAGE = 256
_DIGITS_MAX = 16


class AuditOperations:
    """Operations on the audit log, for ``Service``."""

    _node: Node

    def note_operation(self, actor: str, operation: str, code: str) -> None:
        """Note in the audit log what was asked of the API, and by which code it was refused ('': it was done)."""
        self._node.audited.operation(actor, operation, code)

    async def audit_rows(self, *, after: str = "", limit: int = 100, newest: bool = False) -> AuditPage:
        """Return a page of the audit log; ``newest``: of its end."""
        limit = max(1, min(limit, HTTP_PAGE_MAX))
        start = max(0, self._node.audit.head.rows - limit) if newest else _number(after)
        page = await self._page(start, limit)
        return AuditPage(rows=page, cursor=page[-1].cursor if page else str(start))

    async def audit_follow(self, *, after: str | None = None) -> AsyncIterator[AuditRowView]:
        """Yield rows as they become durable, after a number (None: from now on), without a gap."""
        trail = self._node.audit
        with trail.reading() as written:
            reached = trail.head.rows if after is None else _number(after)
            while True:
                while page := await self._page(reached, _FOLLOW_PAGE):
                    for row in page:
                        reached = row.n
                        yield row
                await written.wait()
                written.clear()

    async def _page(self, after: int, limit: int) -> list[AuditRowView]:
        rows = await asyncio.to_thread(read_rows, self._node.audit.path, after, limit)
        return [row_view(row) for row in rows]

    def _audit_troubles(self) -> list[Trouble]:
        return self._node.reputations.troubles()


def _number(cursor: str) -> int:
    if cursor and (not cursor.isascii() or not cursor.isdecimal() or len(cursor) > _DIGITS_MAX):
        raise UsageError("that is not the number of a row", code="bad_cursor", remedy="take it from an earlier answer")
    return int(cursor or 0)
