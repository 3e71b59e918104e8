"""Errors as users see them: always JSON with a code, a message and a remedy, never a traceback."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING

import msgspec

from foedus.base.errors import FoedusError, NotFound, UsageError
from foedus.node.rates import TooOften

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = logging.getLogger(__name__)


class Problem(msgspec.Struct, frozen=True):
    """An error: ``code`` is for programs and stable, ``message`` and ``remedy`` are for people."""

    code: str
    message: str
    remedy: str


class MalformedRequest(UsageError):
    """The request is not of the shape that the API describes."""

    code = "malformed_request"
    remedy = "compare the request with /schema"


class Unauthorized(UsageError):
    """The bearer token is missing or wrong."""

    code = "unauthorized"
    http_status = 401
    remedy = (
        "send the header `Authorization: Bearer TOKEN`; the operator's is in the file `token` in the node's home, "
        "a participant's comes from `foedus participant token NAME` or from pairing, and may be void by now"
    )


class TooLarge(UsageError):
    """The body is larger than any request may be."""

    code = "too_large"
    http_status = 413
    remedy = "send fewer items at once"


class TooSlow(UsageError):
    """The body did not arrive in time."""

    code = "too_slow"
    http_status = 408
    remedy = "try again on a better connection, or with fewer items"


class MethodNotAllowed(UsageError):
    """The path exists, the method does not."""

    code = "method_not_allowed"
    http_status = 405
    remedy = "see /schema for the methods of this path"


def no_such_path() -> NotFound:
    """Return the error for a path that no door answers."""
    return NotFound("there is nothing at this path", remedy="see /schema for the paths of this API")


def error_of(error: BaseException) -> FoedusError:
    """Return the error to show for any exception; log what is not one of ours.

    The log gets places and the exception's type, not its message: that may quote what a user sent.
    """
    if isinstance(error, FoedusError):
        return error
    places = "".join(traceback.format_tb(error.__traceback__))
    _log.error("a request failed with %s\n%s", type(error).__name__, places)
    return FoedusError("something went wrong inside this node; its log has the details")


def problem_bytes(error: FoedusError) -> bytes:
    """Return the JSON of an error."""
    return msgspec.json.encode(Problem(error.code, str(error), error.remedy))


def extra_headers(error: FoedusError, allowed: str = "") -> Mapping[str, str]:
    """Return the headers that RFC 9110 wants with a status."""
    if error.http_status == Unauthorized.http_status:
        return {"www-authenticate": "Bearer"}
    if isinstance(error, TooOften):
        return {"retry-after": str(error.retry_after_s)}
    return {"allow": allowed} if allowed else {}
