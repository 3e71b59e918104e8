"""Checks that ask the running node; where none runs, they look at what it will need."""

from __future__ import annotations

import errno
import socket
import ssl
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

import msgspec

from foedus.base.limits import CHECKPOINT_INTERVAL, CLOCK_MERGE_MAX, SECOND
from foedus.node.doctor_home import Examined, Unhealthy
from foedus.node.home import RunningInfo
from foedus.values.node import StatusView

_TIMEOUT_S = 10.0
"""A node that verifies at full speed answers within a second; a stopped one never."""
_LOOPBACK = "127.0.0.1"
_LOOPBACKS = frozenset({_LOOPBACK, "::1", "localhost"})
_NOT_RUNNING = "the node does not run"
_RESTART = "stop the node and start it with `foedus up`; its words on stderr say more"
_AGE_MAX = 2 * CHECKPOINT_INTERVAL
"""µs: a checkpoint is written each hour of change; twice that means it is not."""


def port(examined: Examined) -> str:
    """Check that the port is free, or this node's."""
    if examined.info is not None:
        return f"this node listens at {examined.info.url}"
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_LOOPBACK, examined.port))
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            raise Unhealthy(
                f"port {examined.port} {'is taken by another program' if taken else f'is closed: {error.strerror}'}",
                code="port_taken",
                remedy="stop that program, or start the node elsewhere: `foedus up --port 8103`",
            ) from None
    return f"port {examined.port} is free"


def answers(examined: Examined) -> str:
    """Check that the running node answers at its API, and is the node of this home."""
    if examined.info is None:
        return _NOT_RUNNING
    view = _status(examined, examined.info)
    if view.identity.node != examined.node.hex():
        raise Unhealthy(f"another node answers at {examined.info.url}", code="wrong_node", remedy=_RESTART)
    return f"it answers; {view.events} events, {len(view.peers)} peers"


def troubles(examined: Examined) -> str:
    """Check that the running node knows of nothing wrong. A request that waits is no fault."""
    if examined.info is None:
        return _NOT_RUNNING
    found = [trouble for trouble in _status(examined, examined.info).troubles if trouble.code != "request"]
    if found:
        message = "; ".join(f"{trouble.code}: {trouble.message}" for trouble in found)
        raise Unhealthy(message, remedy="; ".join(dict.fromkeys(trouble.remedy for trouble in found)))
    return "it knows of none"


def peers_clocks(examined: Examined) -> str:
    """Check that no peer's clock is further off than a clock may be."""
    if examined.info is None:
        return _NOT_RUNNING
    peers = _status(examined, examined.info).peers
    known = {peer.name or peer.node: peer.clock_offset_us for peer in peers if peer.clock_offset_us is not None}
    far = [f"{name} by {offset / SECOND:+.1f} s" for name, offset in known.items() if abs(offset) > CLOCK_MERGE_MAX]
    if far:
        raise Unhealthy(
            f"clocks of peers differ: {', '.join(far)}",
            code="peers_clock",
            remedy="compare this machine's clock with a time server; if it is right, tell the peer's operator",
        )
    return f"{len(known)} known, none over {CLOCK_MERGE_MAX // SECOND} s off"


def checkpoint_age(examined: Examined) -> str:
    """Check that what changed was checkpointed within the hour."""
    if examined.info is None:
        return f"{_NOT_RUNNING}: it writes what is due within an hour of its next change"
    line = next(
        (
            line
            for line in _get(examined, examined.info, "/metrics").decode().splitlines()
            if line.startswith("foedus_checkpoint_age_seconds ")
        ),
        " 0",
    )
    age = int(float(line.rpartition(" ")[2])) * SECOND
    if age > _AGE_MAX:
        raise Unhealthy(
            f"changes wait for a checkpoint for {age // SECOND // 60} minutes", code="checkpoint_late", remedy=_RESTART
        )
    return f"the oldest change without one is {age // SECOND // 60} minutes old"


def _status(examined: Examined, info: RunningInfo) -> StatusView:
    try:
        return msgspec.json.decode(_get(examined, info, "/status"), type=StatusView)
    except msgspec.DecodeError as error:
        raise Unhealthy(f"the node's answer is not understood: {error}", code="bad_answer", remedy=_RESTART) from None


def _get(examined: Examined, info: RunningInfo, path: str) -> bytes:
    connection = _connect(info)
    try:
        connection.request("GET", f"/api/v1{path}", headers={"Authorization": f"Bearer {examined.home.token()}"})
        response = connection.getresponse()
        body = response.read()
    except (OSError, HTTPException) as error:
        raise Unhealthy(f"{info.url} does not answer: {type(error).__name__} {error}", remedy=_RESTART) from None
    finally:
        connection.close()
    if response.status != HTTPStatus.OK:
        raise Unhealthy(f"{info.url} answers with status {response.status}", code="bad_answer", remedy=_RESTART)
    return body


def _connect(info: RunningInfo) -> HTTPConnection:
    url = urlsplit(info.url)
    host = url.hostname or ""
    if url.scheme != "https":
        return HTTPConnection(host, url.port, timeout=_TIMEOUT_S)
    context = ssl.create_default_context()
    if host in _LOOPBACKS:  # the certificate names the public host, and the way never leaves this machine
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return HTTPSConnection(host, url.port, timeout=_TIMEOUT_S, context=context)
