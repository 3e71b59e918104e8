"""What passes through the HTTP doors besides events: JSON values and errors. Bytes are unpadded base64url."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from foedus.base.errors import FoedusError, UsageError
from foedus.identity.record import RECORDS_PER_NODE
from foedus.node.ports import FederationRequest, FederationResponse
from foedus.node.rates import TooOften
from foedus.sync.frames.peering import ENDPOINT_MAX, ENDPOINTS_MAX

EVENTS_TYPE = "application/vnd.foedus.events"
RECORDS_TYPE = "application/vnd.foedus.records"
JSON_TYPE = "application/json"
PRUNED_TYPE = "application/vnd.foedus.pruned"
PARCEL_TYPE = "application/vnd.foedus.parcel"
SSE_TYPE = "text/event-stream"
CURSOR_HEADER = "foedus-cursor"
MORE_HEADER = "foedus-more"

T = TypeVar("T", bound=Struct)


class BadBody(UsageError):
    """The body is not what this door takes."""

    code = "malformed_request"
    remedy = "see docs/protocol.md, section 9"


class NotConnected(UsageError):
    """The door is for connected peers. What is there, and whether, others are not told."""

    code = "not_connected"
    http_status = 403
    remedy = "ask for a connection first: POST /api/federation/register"


class NoSuchDoor(UsageError):
    """No door has this path and method."""

    code = "not_found"
    http_status = 404
    remedy = "see docs/protocol.md, section 9"


class WrongMethod(UsageError):
    """The door has other methods."""

    code = "method_not_allowed"
    http_status = 405
    remedy = "see docs/protocol.md, section 9"


class WrongMediaType(UsageError):
    """The body has another media type than this door takes."""

    code = "unsupported_media_type"
    http_status = 415
    remedy = "see docs/protocol.md, section 9"


class ApplicationText(Struct, frozen=True, forbid_unknown_fields=True):
    """The fields of the link's ``request`` frame (section 5)."""

    name: str
    note: str
    endpoints: Annotated[tuple[Annotated[str, Meta(max_length=ENDPOINT_MAX)], ...], Meta(max_length=ENDPOINTS_MAX)]
    agreement: str
    signature: str


class Registration(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of ``POST /register``: the requester's signed records, oldest first, and what it asks for."""

    records: Annotated[tuple[str, ...], Meta(min_length=1, max_length=RECORDS_PER_NODE)]
    application: ApplicationText


def read_json(data: bytes, shape: type[T]) -> T:
    """Return the value in a JSON body; raise BadBody."""
    try:
        return msgspec.json.decode(data, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadBody(f"the body is not as described: {error}") from None


def check_media_type(request: FederationRequest, wanted: str) -> None:
    """Raise WrongMediaType unless the body is declared as ``wanted``."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != wanted:
        raise WrongMediaType(f"this door takes {wanted}")


def json_reply(status: int, value: Any) -> FederationResponse:
    """Return an answer in JSON."""
    return FederationResponse(status=status, headers={"content-type": JSON_TYPE}, body=msgspec.json.encode(value))


def problem(error: FoedusError) -> FederationResponse:
    """Return the answer to a request that failed: code, message and remedy, as everywhere."""
    reply = json_reply(error.http_status, {"code": error.code, "message": str(error), "remedy": error.remedy})
    if isinstance(error, TooOften):
        reply.headers["retry-after"] = str(error.retry_after_s)
    return reply


def number(request: FederationRequest, name: str, default: int, maximum: int) -> int:
    """Return a query parameter between 1 and ``maximum``; raise BadBody."""
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal()) or len(text) > len(str(maximum)) or not 1 <= int(text) <= maximum:
        raise BadBody(f"{name} is a number from 1 to {maximum}")
    return int(text)
