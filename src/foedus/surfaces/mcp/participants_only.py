"""An agent acts as its own participant, never as the node."""

from __future__ import annotations

from foedus.base.errors import UsageError


class ParticipantsOnly(UsageError):
    """The operator's token was given where a participant's is needed."""

    code = "participants_only"
    http_status = 403
    remedy = "give the agent's own token: `foedus participant token NAME`, or `foedus mcp config NAME`"


def check_participant(did: str) -> None:
    """Raise ParticipantsOnly where nobody stands behind a token but the operator (``did`` is '')."""
    if not did:
        raise ParticipantsOnly("an agent acts as its own participant, and this token is the operator's")
