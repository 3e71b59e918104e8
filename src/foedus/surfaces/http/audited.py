"""The one place where the API tells the audit log what was asked: the operation and its outcome, no content."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from foedus.base.errors import FoedusError
from foedus.node.api import NodeService
from foedus.surfaces.http.callers import Caller, ParticipantCaller
from foedus.surfaces.http.wire import Scope

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing: whoever may read decides nothing by it."""
_REFUSING = frozenset({401, 403, 429})
"""Statuses that say no to somebody: who may not, or not so often. They are noted of reading, too."""
OPERATOR, STRANGER = "operator", "anyone"


class Asked:
    """Who asks, as far as it is known: nobody, until a token was looked at."""

    def __init__(self) -> None:
        self.actor = STRANGER

    def by(self, caller: Caller | None) -> None:
        """Remember who asks; None: a door that is open to all."""
        if isinstance(caller, ParticipantCaller):
            self.actor = caller.holder.did or STRANGER
        elif caller is not None:
            self.actor = OPERATOR


@contextmanager
def audited(node: NodeService, scope: Scope) -> Iterator[Asked]:
    """Note the outcome of what is done inside. Path parameters are ids and names; queries and bodies stay out."""
    operation, asked = f"{scope['method']} {scope['path']}", Asked()
    try:
        yield asked
    except Exception as error:
        code, status = (error.code, error.http_status) if isinstance(error, FoedusError) else ("internal", 500)
        if scope["method"] not in _READING or status in _REFUSING:
            node.note_operation(asked.actor, operation, code)
        raise
    if scope["method"] not in _READING:
        node.note_operation(asked.actor, operation, "")
