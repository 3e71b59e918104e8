"""The one place where the API tells the audit log what was asked: the operation and its outcome, no content."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from foedus.base.errors import FoedusError
from foedus.node.api import NodeService
from foedus.surfaces.http.callers import Caller, ParticipantCaller
from foedus.surfaces.http.wire import Scope

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing: whoever may read decides nothing by it."""
_REFUSING = frozenset({401, 403, 429})
"""Statuses that say no to somebody: who may not, or not so often. They are noted of reading, too."""
OPERATOR, STRANGER = "operator", "anyone"


class Audited:
    """Notes the outcome of what is done inside. Path parameters are ids and names; queries and bodies stay out.

    Who asks is nobody, until a token was looked at. A class, since a generator costs three times as much per request.
    """

    __slots__ = ("_actor", "_node", "_scope")

    def __init__(self, node: NodeService, scope: Scope) -> None:
        self._node = node
        self._scope = scope
        self._actor = STRANGER

    def by(self, caller: Caller | None) -> None:
        """Remember who asks; None: a door that is open to all."""
        if isinstance(caller, ParticipantCaller):
            self._actor = caller.holder.did or STRANGER
        elif caller is not None:
            self._actor = OPERATOR

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, _: object, error: BaseException | None, __: TracebackType | None) -> None:
        """Note how it ended; what was cancelled has not ended by itself."""
        is_reading = self._scope["method"] in _READING
        if error is None:
            if not is_reading:
                self._note("")
        elif isinstance(error, Exception):
            code, status = (error.code, error.http_status) if isinstance(error, FoedusError) else ("internal", 500)
            if not is_reading or status in _REFUSING:
                self._note(code)

    def _note(self, code: str) -> None:
        self._node.note_operation(self._actor, f"{self._scope['method']} {self._scope['path']}", code)
