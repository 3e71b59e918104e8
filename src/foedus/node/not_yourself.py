"""The refusal that every part of a participant's view of the node shares."""

from __future__ import annotations

from foedus.base.errors import UsageError


class NotYourself(UsageError):
    """A participant's token speaks and acts for that participant alone."""

    code = "not_yourself"
    http_status = 403
    remedy = "use the token of the participant who is meant, or the operator's"
