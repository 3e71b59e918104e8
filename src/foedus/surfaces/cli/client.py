"""The running node's API over plain http.client, which starts ten times as fast as aiohttp."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from foedus.base.errors import FoedusError, Unavailable, UsageError
from foedus.base.limits import ENVELOPE_MAX
from foedus.surfaces.cli.errors import BadAnswer, NotRunning

if TYPE_CHECKING:
    from foedus.crypto.ed25519 import Ed25519Key
    from foedus.node.home import Home, RunningInfo

T = TypeVar("T")

API = "/api/v1"
TIMEOUT_S = 60.0
"""The slowest short answer is a probe of a far node: a handshake has 10 s, the connection before it as long."""
LONG_S = 24 * 3600.0
"""Verifying a log of 10^8 events takes hours."""
QUIET_S = 60.0
"""A stream of events that is silent for longer is opened anew, from where it stopped."""
_LINE_MAX = 16 * ENVELOPE_MAX
"""Bytes in a line of a stream: an event in JSON, each byte escaped."""
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class _Told(msgspec.Struct):
    """An error as the API tells it."""

    code: str
    message: str = ""
    remedy: str = ""


class StreamLost(Unavailable):
    """The stream of events ended. Open it again, from the last cursor."""

    code = "stream_lost"


class Followed(NamedTuple):
    """One event of a stream: the cursor after it, and its JSON."""

    cursor: str
    data: bytes


class Client:
    """Asks the running node of ``home`` as its operator; each call opens a connection of its own."""

    opened: Ed25519Key | None = None
    """The device's key, where a participant's client has opened it to prove its requests."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def get(self, path: str, shape: type[T], query: Mapping[str, str | int] | None = None) -> T:
        """Return what the node answers, as ``shape``. Raises the node's error, NotRunning or BadAnswer."""
        return self._ask("GET", path + _query(query), shape)

    def post(self, path: str, shape: type[T], body: Any = None, *, timeout_s: float = TIMEOUT_S) -> T:
        """Send ``body`` as JSON and return the answer; errors as ``get``."""
        return self._ask("POST", path, shape, {} if body is None else body, timeout_s)

    def delete(self, path: str, shape: type[T]) -> T:
        """Delete, and return the answer; errors as ``get``."""
        return self._ask("DELETE", path, shape)

    def tell(self, method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None) -> None:
        """Ask for something that has no answer; errors as ``get``."""
        self._exchange(method, path + _query(query), body, TIMEOUT_S)

    def ask(self, method: str, target: str, shape: type[T], body: Any = None) -> T:
        """Ask a door outside of the local API, by its whole path; errors as ``get``."""
        return self._decoded(self._exchange_at(method, target, body, TIMEOUT_S), shape)

    def follow(self, path: str, query: Mapping[str, str], after: str | None) -> Iterator[Followed]:
        """Open a stream of server-sent events and yield them; raise StreamLost where it ends.

        The stream is open when this returns: what happens from then on is not missed.
        """
        headers = {"Accept": "text/event-stream"}
        if after is not None:
            headers["Last-Event-ID"] = after
        connection = self._connect(QUIET_S)
        try:
            response = self._send(connection, "GET", API + path + _query(query), None, headers)
            _raise_for(response.status, response.read() if response.status != HTTPStatus.OK else b"")
        except BaseException:
            connection.close()
            raise
        return _events(connection, response)

    def _ask(self, method: str, path: str, shape: type[T], body: Any = None, timeout_s: float = TIMEOUT_S) -> T:
        return self._decoded(self._exchange(method, path, body, timeout_s), shape)

    @staticmethod
    def _decoded(data: bytes, shape: type[T]) -> T:
        try:
            return msgspec.json.decode(data, type=shape)
        except msgspec.DecodeError as error:
            raise BadAnswer(f"the node's answer is not understood: {error}") from None

    def _exchange(self, method: str, path: str, body: Any, timeout_s: float) -> bytes:
        return self._exchange_at(method, API + path, body, timeout_s)

    def _exchange_at(self, method: str, target: str, body: Any, timeout_s: float) -> bytes:
        connection = self._connect(timeout_s)
        try:
            payload = None if body is None else msgspec.json.encode(body)
            response = self._send(connection, method, target, payload, {"Accept": "application/json"})
            data = response.read()
        except (OSError, HTTPException) as error:
            raise _broken(error) from None
        finally:
            connection.close()
        _raise_for(response.status, data)
        return data

    def _send(
        self, connection: HTTPConnection, method: str, target: str, payload: bytes | None, headers: dict[str, str]
    ) -> HTTPResponse:
        headers |= self.authorization(method, target, payload or b"")
        if payload is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, target, payload, headers)
            return connection.getresponse()
        except ConnectionRefusedError:
            raise self.not_running() from None
        except (OSError, HTTPException) as error:
            raise _broken(error) from None

    def _connect(self, timeout_s: float) -> HTTPConnection:
        return open_connection(self.url(), timeout_s)

    def url(self) -> str:
        """Return where the node answers; raise NotRunning."""
        info = self._home.running()
        if info is None or not _alive(info):
            raise self.not_running()
        return info.url

    def authorization(self, _method: str, _target: str, _body: bytes) -> dict[str, str]:
        """Return the headers that say who asks; ``target``: path and query."""
        return {"Authorization": f"Bearer {self._home.token()}"}

    def speaker(self) -> str:
        """Return the DID of the participant who asks; '' for the operator, who may speak for several."""
        return ""

    def not_running(self) -> NotRunning:
        """Return the error for a node that does not answer."""
        return NotRunning(f"the node in {self._home.path} is not running")


def open_connection(address: str, timeout_s: float) -> HTTPConnection:
    """Return a connection to a URL's host; it opens with its first request."""
    url = urlsplit(address)
    host = url.hostname or ""
    if url.scheme == "https":
        return HTTPSConnection(host, url.port, timeout=timeout_s, context=_tls(host))
    return HTTPConnection(host, url.port, timeout=timeout_s)


def path_of(*parts: str) -> str:
    """Return a path of the API with every part quoted."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def _query(query: Mapping[str, str | int] | Mapping[str, str] | None) -> str:
    chosen = {name: value for name, value in (query or {}).items() if value != ""}
    return f"?{urlencode(chosen)}" if chosen else ""


def _alive(info: RunningInfo) -> bool:
    """Whether the process that wrote node.json is there: after a kill, another may listen at its port."""
    try:
        os.kill(info.pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return info.pid > 0


def _tls(host: str) -> ssl.SSLContext:
    """Return how to check the node's certificate.

    At a loopback address none is checked: it names the public host, and the way never leaves this machine.
    """
    context = ssl.create_default_context()
    if host in _LOOPBACK:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _events(connection: HTTPConnection, response: HTTPResponse) -> Iterator[Followed]:
    """Parse server-sent events (WHATWG HTML, section 9.2). The API names only those that are no events of the log."""
    cursor, name, data = "", b"", b""
    try:
        while line := response.readline(_LINE_MAX):
            field, _, value = line.rstrip(b"\r\n").partition(b":")
            value = value.removeprefix(b" ")
            if field == b"data":
                data += value
            elif field == b"id":
                cursor = value.decode("utf-8", "replace")
            elif field == b"event":
                name = value
            elif not field and not value:
                if name == b"problem":
                    raise _error_of(HTTPStatus.SERVICE_UNAVAILABLE, data)
                if data:
                    yield Followed(cursor, data)
                name, data = b"", b""
    except (OSError, HTTPException):
        pass  # told below: how the stream broke makes no difference to whoever follows it
    finally:
        connection.close()
    raise StreamLost("the node closed the stream of events")


def _raise_for(status: int, data: bytes) -> None:
    if status >= HTTPStatus.BAD_REQUEST:
        raise _error_of(status, data)


def _error_of(status: int, data: bytes) -> FoedusError:
    """Return the error that the node told, in its family."""
    try:
        told = msgspec.json.decode(data, type=_Told)
    except msgspec.DecodeError:
        return BadAnswer(f"the node answered with status {status}")
    family = UsageError if status < HTTPStatus.INTERNAL_SERVER_ERROR else Unavailable
    return family(told.message, code=told.code, remedy=told.remedy, http_status=status)


def _broken(error: OSError | HTTPException) -> Unavailable:
    """Say that the node did not answer: it was stopped meanwhile, hangs, or its certificate is not known."""
    if isinstance(error, ssl.SSLError):
        remedy = "set SSL_CERT_FILE to the certificate of the authority that signed the node's"
        return Unavailable(f"the node's certificate is not trusted: {error.reason}", code="tls", remedy=remedy)
    what = "it took too long" if isinstance(error, TimeoutError) else type(error).__name__
    return Unavailable(f"the node did not answer ({what})", code="no_answer")
