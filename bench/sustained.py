"""A → B sustained: batches into A's API by two callers until B has acknowledged all as durable."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from bench.author import BATCH
from bench.nodes import run
from bench.options import Figures, Options
from bench.processes import BenchNode, Cluster, Connection
from foedus.base.base64url import to_base64url
from foedus.base.cbor import encode
from foedus.base.limits import NONCE_BYTES, SALT_BYTES
from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.did import did_of
from foedus.log import streams
from foedus.log.event import Act, act_plain, act_signing_bytes, digest_of
from foedus.surfaces.cli.client import path_of
from foedus.surfaces.demo.processes import eventually
from foedus.values.node import ParticipantView, Placed, SigningContext
from foedus.values.rooms import RoomView

_CALLERS = 2
_TEXT = "The harbour is calm and every lamp is lit; nothing moves on the water tonight. "


class Author:
    """A participant whose key is on a device; it signs acts for its node to order."""

    def __init__(self, node: BenchNode, room: str) -> None:
        self._context = node.client.get("/signing", SigningContext)
        self._key = Ed25519Key(secrets.token_bytes(32))
        self._did = did_of(self._key.public)
        enrol = {
            "did": self._did,
            "node": bytes.fromhex(self._context.node),
            "kind": "agent",
            "name": f"device {self._did[-6:]}",
            "custody": "device",
            "device": self._key.public,
            "possession": None,
            "recovery": None,
        }
        signed = self._sign(streams.participant(self._did), "device.enrol", enrol, ())
        placed = node.client.post(path_of("participants", self._did, "acts"), Placed, signed)
        member = next(
            member
            for member in node.client.get(path_of("rooms", room), RoomView).members
            if member.node == self._context.node
        )
        self._auth = (bytes.fromhex(placed.id), bytes.fromhex(member.id))
        self._stream = streams.room(bytes.fromhex(room))

    def message(self, number: int) -> dict[str, str]:
        """Return a signed message as the API takes it."""
        return self._sign(self._stream, "message.text", {"text": f"{_TEXT}{number}"}, self._auth)

    def _sign(self, stream: str, kind: str, body: object, auth: tuple[bytes, ...]) -> dict[str, str]:
        data, salt = encode(body), secrets.token_bytes(SALT_BYTES)
        act = Act(
            at=time.time_ns() // 1_000,
            auth=auth,
            kind=kind,
            refs=(),
            nonce=secrets.token_bytes(NONCE_BYTES),
            author=self._did,
            device=self._key.public,
            digest=digest_of(salt, data),
        )
        asig = self._key.sign(act_signing_bytes(act, bytes.fromhex(self._context.epoch), stream))
        return {
            "act": to_base64url(encode(act_plain(act))),
            "asig": to_base64url(asig),
            "salt": to_base64url(salt),
            "body": to_base64url(data),
        }


async def _post(node: BenchNode, room: str, bodies: Sequence[bytes]) -> bytes:
    """Post the bodies by several callers; return the answer to the last."""
    left = iter(bodies)
    answers: dict[bytes, bytes] = {}

    async def call() -> None:
        async with Connection.to(node) as connection:
            for body in left:
                answers[body] = await connection.send(f"/rooms/{room}/messages:batch", body)

    await asyncio.gather(*(call() for _ in range(_CALLERS)))
    return answers[bodies[-1]]


def _rate(one: BenchNode, other: BenchNode, room: str, messages: list[Any]) -> float:
    """Return messages a second from the first request until B acknowledged the last as durable."""
    bodies = [msgspec.json.encode(messages[start : start + BATCH]) for start in range(0, len(messages), BATCH)]
    begun = time.perf_counter()
    last = run(_post(one, room, bodies))
    eventually("B has all", lambda: one.peer_lag() == 0, 300)
    seconds = time.perf_counter() - begun
    end = msgspec.json.decode(last, type=list[Placed])[-1]
    seen = other.client.get(path_of("rooms", room, "messages"), Any, {"limit": 1_000})
    assert end.id in {message["id"] for message in seen["messages"]}
    return len(messages) / seconds


def sustained(options: Options) -> Figures:
    count = options.size(30_000, 1_000)
    with Cluster(options.folder) as cluster:
        one, other, room = cluster.pair()
        one.client.post("/participants", ParticipantView, {"name": "scout"})
        authors = [Author(one, room) for _ in range(4)]
        _rate(one, other, room, [{"text": _TEXT} for _ in range(4 * BATCH)])
        own = _rate(one, other, room, [{"text": f"{_TEXT}{number}"} for number in range(count)])
        with ThreadPoolExecutor(2) as pool:
            signed = list(pool.map(lambda number: authors[number % 4].message(number), range(count)))
        by_device = _rate(one, other, room, signed)
        kept = [{"text": f"{_TEXT}{number}", "as": "scout"} for number in range(count)]
        custodial = _rate(one, other, room, kept)
    return {
        "sustained_per_s": own,
        "sustained_signed_per_s": by_device,
        "sustained_custodial_per_s": custodial,
    }
