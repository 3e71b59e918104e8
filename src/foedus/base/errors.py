"""The three families of errors.

``UsageError``: the caller's mistake. ``PeerViolation``: the other node's. ``Unavailable``: the
world's (disk, network, clock). Each error has a stable ``code`` that programs may compare, a
message that says what happened, an HTTP status, and a ``remedy`` that says what to do next.
Subclasses set code, status and remedy as class attributes; a raise may override the remedy.
"""

from __future__ import annotations


class FoedusError(Exception):
    """An error that a user may see. Never raised itself; use one of the families below."""

    code = "internal"
    http_status = 500
    remedy = "report this with the output of `foedus doctor`"

    def __init__(self, message: str = "", *, code: str = "", remedy: str = "", http_status: int = 0) -> None:
        super().__init__(message)
        self.message = message
        if code:
            self.code = code
        if remedy:
            self.remedy = remedy
        if http_status:
            self.http_status = http_status

    def __str__(self) -> str:
        return self.message or self.code


class UsageError(FoedusError):
    """What the caller asked for cannot be done as asked."""

    code = "usage"
    http_status = 400
    remedy = "see `foedus --help`"


class NotFound(UsageError):
    """The named thing does not exist here, or the caller may not know that it does."""

    code = "not_found"
    http_status = 404
    remedy = "check the name or id"


class PeerViolation(FoedusError):
    """The other node sent what the protocol forbids."""

    code = "violation"
    http_status = 400
    remedy = "the other node must be mended; see docs/protocol.md"


class Unavailable(FoedusError):
    """The world did not cooperate: a disk, a network, a clock."""

    code = "unavailable"
    http_status = 503
    remedy = "run `foedus doctor`"
