"""How a stream becomes a link: the handshake of both sides, over whatever carries it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from foedus.base.errors import Unavailable
from foedus.base.limits import FRAME_EVENTS, FRAME_MAX, HANDSHAKE_TIMEOUT, SECOND
from foedus.node.ports import ByteStream
from foedus.node.store import Store
from foedus.node.stranger_turns import StrangerTurns
from foedus.sync.capabilities import Capabilities
from foedus.sync.effects import Close, Established, Send
from foedus.sync.handshake import Initiator, Local, Responder
from foedus.sync.strangers import StrangerGate

_LONG_HISTORY_BYTES = 40_000
"""A message that brings some records more than most nodes have: 40 take 20 ms to verify, in a thread then."""
CAPABILITIES: Capabilities = {
    "events": {"major": 1, "batch": FRAME_EVENTS, "frame": FRAME_MAX},
    "rooms": {"major": 1},
    "participants": {"major": 1},
    "checkpoints": {"major": 1},
    "queries": {"major": 1},
    "routing": {"major": 1},
    "calls": {"major": 1},
    "blobs": {"major": 1},
    "presences": {"major": 1},
    "council": {"major": 1},
}
"""What this version can do on a link."""


class LinkFailed(Unavailable):
    """No link came about."""

    code = "no_link"
    remedy = "check the address, and that the other node runs"


class Shaken(NamedTuple):
    """A handshake that came to its end. ``own_epoch``: whose keys this node proved."""

    established: Established
    own_epoch: bytes


class Handshakes:
    """The handshakes of this node. ``gate`` counts what strangers cost."""

    def __init__(self, store: Store, gate: StrangerGate) -> None:
        self._store = store
        self._now = store.now
        self._gate = gate
        self._turns = StrangerTurns()

    async def dialled(self, stream: ByteStream, expected: bytes | None) -> Shaken:
        """Shake hands over a stream that this node opened; raise LinkFailed, or what the handshake found."""
        local = self._local()
        initiator = Initiator(
            local=local,
            expected=expected,
            ephemeral_seed=secrets.token_bytes(32),
            random=secrets.token_bytes(32),
            known=self._store.holds,
            now=self._now(),
        )
        return Shaken(await self._shake(stream, initiator, initiator.start()), local.history[-1].id)

    async def answered(self, stream: ByteStream, address: str) -> Shaken:
        """Shake hands over a stream that someone opened to us from an IP address; raise as ``dialled``."""
        local = self._local()
        responder = Responder(
            local=local,
            ephemeral_seed=secrets.token_bytes(32),
            random=secrets.token_bytes(32),
            known=self._store.holds,
            now=self._now(),
        )
        return Shaken(await self._shake(stream, responder, [], address), local.history[-1].id)

    def _local(self) -> Local:
        return Local(self._store.keys, self._store.identities.history(self._store.node), CAPABILITIES)

    async def _shake(
        self, stream: ByteStream, core: Initiator | Responder, effects: Sequence[object], address: str = ""
    ) -> Established:
        """Run a handshake core over a stream until it is established. ``address``: where a stranger dialled from."""
        while True:
            for effect in effects:
                match effect:
                    case Send(message=message):
                        await stream.send(message)
                    case Established():
                        return effect
                    case Close(code=code, message=message):
                        raise LinkFailed(message, code=code)
            deadline = core.next_deadline() or self._now() + HANDSHAKE_TIMEOUT
            try:
                async with asyncio.timeout(max(0.0, (deadline - self._now()) / SECOND)):
                    data = await stream.receive()
            except TimeoutError:
                effects = core.on_deadline(self._now()) or [Close("handshake_timeout", "no answer to the handshake")]
                continue
            if data is None:
                raise LinkFailed("the other side closed the connection during the handshake", code="closed")
            if isinstance(core, Responder) and core.next_deadline() and not self._may_answer(core, address):
                raise LinkFailed("too many strangers at once", code="busy")
            effects = await self._handle(core, data)

    async def _handle(self, core: Initiator | Responder, data: bytes) -> Sequence[object]:
        """Take a message of the other side: what strangers bring in its turn, a long history in a thread."""
        if len(data) >= _LONG_HISTORY_BYTES:
            return await asyncio.to_thread(core.handle, data, self._now())
        if isinstance(core, Responder):
            return await self._turns.run(partial(core.handle, data, self._now()))
        return core.handle(data, self._now())

    def _may_answer(self, core: Responder, address: str) -> bool:
        """Tell whether M1 may be answered, which costs an ML-DSA signing."""
        return core.step.name != "AWAITING_M1" or self._gate.may_sign(self._now(), address)
