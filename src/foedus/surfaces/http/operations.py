"""An operation of the local API: what it takes and answers, once, for the router, the checks and /schema."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from inspect import isawaitable
from typing import Any

import msgspec
from msgspec import Struct

from foedus.crypto.compare import equal
from foedus.node.api import NodeService
from foedus.surfaces.http.exposure import address_of
from foedus.surfaces.http.limits import TARGET_MAX
from foedus.surfaces.http.problems import MalformedRequest, MethodNotAllowed, Unauthorized
from foedus.surfaces.http.streams import Streams
from foedus.surfaces.http.wire import (
    JSON,
    Receive,
    Scope,
    Send,
    header,
    query_of,
    read_body,
    send_body,
    send_error,
    send_head,
    send_whole,
)

API = "/api/v1"
_PARAMETER = re.compile(r"{(\w+)}")
_INTEGER = re.compile(r"\d{1,9}")
_NO_CONTENT = 204
_encode = msgspec.json.Encoder().encode


class Text(Struct, frozen=True, kw_only=True):
    """A query parameter that is text."""

    name: str
    about: str
    max_length: int


class Number(Struct, frozen=True, kw_only=True):
    """A query parameter that is a whole number."""

    name: str
    about: str
    default: int
    minimum: int
    maximum: int


class Call(Struct, frozen=True, kw_only=True):
    """A checked request. ``query`` holds what was given, and the defaults of numbers."""

    scope: Any
    path: dict[str, str]
    query: dict[str, Any]
    body: Any


class Raw(Struct, frozen=True, kw_only=True):
    """An answer that is not JSON."""

    body: bytes
    media_type: bytes


class Streaming(Struct, frozen=True, kw_only=True):
    """An answer without end."""

    chunks: AsyncIterator[bytes]
    media_type: bytes


class Operation(Struct, frozen=True, kw_only=True):
    """One method of one path. ``run`` may return a value, an awaitable of one, Raw or Streaming."""

    method: str
    path: str
    about: str
    answer: Any
    """The type that JSON shows; None: no content."""
    run: Callable[[NodeService, Call], Any]
    body: Any = None
    body_optional: bool = False
    query: tuple[Text | Number, ...] = ()
    status: int = 200
    media_types: tuple[str, ...] = ("application/json",)

    @property
    def path_parameters(self) -> list[str]:
        """Return the names in the path."""
        return _PARAMETER.findall(self.path)


class Door:
    """The ASGI application of one path: authorise, check, run, answer."""

    def __init__(self, node: NodeService, operations: list[Operation], streams: Streams) -> None:
        self._node = node
        self._streams = streams
        self._by_method = {operation.method: operation for operation in operations}
        self._decoders = {o.method: msgspec.json.Decoder(o.body) for o in operations if o.body is not None}
        self._allowed = ", ".join(sorted(self._by_method))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, errors included."""
        try:
            self._node.check_rate("", address_of(scope))
            authorise(scope, self._node.token)
            self._node.check_rate("operator", "")
            operation = self._choose(scope["method"])
            call = await self._check(operation, scope, receive)
            result = operation.run(self._node, call)
            if isawaitable(result):
                result = await result
            await self._answer(operation, result, receive, send)
        except Exception as error:  # noqa: BLE001  # the last net: error_of logs what nobody expected
            await send_error(send, error, self._allowed if isinstance(error, MethodNotAllowed) else "")

    def _choose(self, method: str) -> Operation:
        operation = self._by_method.get(method)
        if operation is None:
            raise MethodNotAllowed(f"this path takes {self._allowed}")
        return operation

    async def _check(self, operation: Operation, scope: Scope, receive: Receive) -> Call:
        path: dict[str, str] = scope["path_params"]
        for name, value in path.items():
            if len(value) > TARGET_MAX:
                raise MalformedRequest(f"{name} has more than {TARGET_MAX} characters")
        query = _read_query(operation, query_of(scope))
        body = None
        decoder = self._decoders.get(operation.method)
        if decoder is not None:
            body = _decode(decoder, await read_body(scope, receive), optional=operation.body_optional)
        return Call(scope=scope, path=path, query=query, body=body)

    async def _answer(self, operation: Operation, result: Any, receive: Receive, send: Send) -> None:
        if isinstance(result, Streaming):
            with self._streams.counted():
                await send_head(send, operation.status, result.media_type)
                await self._streams.pour(result.chunks, receive, send)
        elif isinstance(result, Raw):
            await send_whole(send, operation.status, result.body, result.media_type)
        elif operation.status == _NO_CONTENT:
            await send({"type": "http.response.start", "status": _NO_CONTENT, "headers": []})
            await send_body(send, b"")
        else:
            await send_whole(send, operation.status, _encode(result), JSON)


def authorise(scope: Scope, token: str) -> None:
    """Raise Unauthorized unless the request carries the operator's bearer token."""
    scheme, _, given = (header(scope, b"authorization") or b"").partition(b" ")
    if scheme.lower() != b"bearer" or not token or not equal(given.strip(), token.encode()):
        raise Unauthorized("the bearer token is missing or wrong")


def _read_query(operation: Operation, given: dict[str, str]) -> dict[str, Any]:
    if not given and not operation.query:
        return {}
    known = {parameter.name: parameter for parameter in operation.query}
    for name in given:
        if name not in known:
            raise MalformedRequest(f"there is no query parameter {name[:80]!r} here")
    query: dict[str, Any] = {name: _read_parameter(known[name], value) for name, value in given.items()}
    for parameter in operation.query:
        if isinstance(parameter, Number):
            query.setdefault(parameter.name, parameter.default)
    return query


def _read_parameter(parameter: Text | Number, value: str) -> str | int:
    if isinstance(parameter, Text):
        if len(value) > parameter.max_length:
            raise MalformedRequest(f"{parameter.name} has more than {parameter.max_length} characters")
        return value
    if not _INTEGER.fullmatch(value) or not parameter.minimum <= int(value) <= parameter.maximum:
        raise MalformedRequest(f"{parameter.name} is a number from {parameter.minimum} to {parameter.maximum}")
    return int(value)


def _decode(decoder: msgspec.json.Decoder[Any], body: bytes, *, optional: bool) -> Any:
    """Return the typed body; None where it is optional and missing. Raise MalformedRequest, whatever the bytes."""
    if optional and not body:
        return None
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedRequest(f"the body is not as it should be: {str(error)[:300]}") from None
