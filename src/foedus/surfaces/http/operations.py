"""An operation of the local API: what it takes and answers, once, for the router, the checks and /schema."""

from __future__ import annotations

import re
from collections.abc import Callable
from inspect import isawaitable
from typing import Any

import msgspec
from msgspec import Struct

from foedus.node.api import NodeService
from foedus.surfaces.http.audited import Audited
from foedus.surfaces.http.callers import (
    Caller,
    ParticipantCaller,
    Rule,
    check_rule,
    identify,
    name_of,
    until_dead,
    view_for,
)
from foedus.surfaces.http.exposure import address_of
from foedus.surfaces.http.limits import TARGET_MAX
from foedus.surfaces.http.problems import MalformedRequest, MethodNotAllowed
from foedus.surfaces.http.streams import Streams
from foedus.surfaces.http.wire import (
    JSON,
    Receive,
    Scope,
    Send,
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
    """An answer without end. ``chunks``: an ``sse.EventStream``, closed when the answer ends or never began."""

    chunks: Any
    media_type: bytes


class Operation(Struct, frozen=True, kw_only=True):
    """One method of one path. ``run`` may return a value, an awaitable of one, Raw or Streaming.

    ``rule``: who may call it. Where that is a participant, ``run`` gets the node as that participant may use it
    (``node.participant_service``).
    """

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
    rule: Rule = Rule.OPERATOR
    root: str = API

    @property
    def address(self) -> str:
        """Return the whole path."""
        return self.root + self.path

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
            with Audited(self._node, scope) as asked:
                operation, caller, result = await self._run(scope, receive, asked)
            await self._answer(operation, result, caller, receive, send)
        except Exception as error:  # noqa: BLE001  # the last net: error_of logs what nobody expected
            await send_error(send, error, self._allowed if isinstance(error, MethodNotAllowed) else "")

    async def _run(self, scope: Scope, receive: Receive, asked: Audited) -> tuple[Operation, Caller | None, Any]:
        self._node.check_rate("", address_of(scope))
        wanted = self._by_method.get(scope["method"])
        caller = None if wanted is not None and wanted.rule is Rule.ANYONE else identify(scope, self._node)
        asked.by(caller)
        self._node.check_rate(name_of(caller), "")
        if wanted is None:
            raise MethodNotAllowed(f"this path takes {self._allowed}")
        check_rule(caller, wanted.rule, scope, self._node)
        query = _check_target(wanted, scope)
        decoder = self._decoders.get(wanted.method)
        data = b"" if decoder is None else await read_body(scope, receive)
        body = None if decoder is None else _decode(decoder, data, optional=wanted.body_optional)
        call = Call(scope=scope, path=scope["path_params"], query=query, body=body)
        node = self._node
        if isinstance(caller, ParticipantCaller):
            view = await view_for(caller, node, scope, data)
            node = node if wanted.rule is Rule.OPERATOR else view  # an architect's: check_rule let nobody else pass
        result = wanted.run(node, call)
        if isawaitable(result):
            result = await result
        return wanted, caller, result

    async def _answer(  # what to send, for whom, and where
        self, operation: Operation, result: Any, caller: Caller | None, receive: Receive, send: Send
    ) -> None:
        if isinstance(result, Streaming):
            await self._follow(operation, result, caller, receive, send)
        elif isinstance(result, Raw):
            await send_whole(send, operation.status, result.body, result.media_type)
        elif operation.status == _NO_CONTENT:
            await send({"type": "http.response.start", "status": _NO_CONTENT, "headers": []})
            await send_body(send, b"")
        else:
            await send_whole(send, operation.status, _encode(result), JSON)

    async def _follow(
        self, operation: Operation, result: Streaming, caller: Caller | None, receive: Receive, send: Send
    ) -> None:
        participant = caller.did if isinstance(caller, ParticipantCaller) else ""
        try:
            with self._streams.counted(participant), until_dead(self._node, caller, operation.rule) as dead:
                await send_head(send, operation.status, result.media_type)
                await self._streams.pour(result.chunks, receive, send, dead)
        finally:
            await result.chunks.aclose()


def _check_target(operation: Operation, scope: Scope) -> dict[str, Any]:
    """Check the path's parameters, and return those of the query."""
    for name, value in scope["path_params"].items():
        if len(value) > TARGET_MAX:
            raise MalformedRequest(f"{name} has more than {TARGET_MAX} characters")
    return _read_query(operation, query_of(scope))


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
