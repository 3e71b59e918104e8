"""What clients of documents send that is none of it."""

from __future__ import annotations

from foedus.base.errors import UsageError

HARMFUL = "harmful_update"
"""The code of an update that is passed over here and now, and nowhere else: it ended what holds documents."""


class BadUpdate(UsageError):
    """The bytes are no Yjs update, or one that would harm who applies it."""

    code = "bad_update"
    remedy = "send what `Y.encodeStateAsUpdate` or the `update` event of a Yjs document gives (version 1)"


class BadMessage(UsageError):
    """The bytes are no message of the protocol that y-websocket speaks."""

    code = "bad_message"
    remedy = "use y-websocket, or see docs/documents.md"
