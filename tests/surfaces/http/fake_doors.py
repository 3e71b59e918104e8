"""Doors for other nodes that answer with what they saw."""

import asyncio

import msgspec

from foedus.node.ports import FederationResponse


class FakeDoors:
    """Answers with what it saw; /stream counts."""

    def __init__(self):
        self.seen = []

    async def handle(self, request):
        self.seen.append(request)
        if request.path == "/api/federation/stream":
            return FederationResponse(status=200, headers={"Content-Type": "text/event-stream"}, stream=self._count())
        if request.path == "/api/federation/fail":
            raise RuntimeError("a secret")
        body = msgspec.json.encode({"path": request.path, "target": request.target_uri, "secure": request.secure})
        return FederationResponse(status=202, headers={"X-Test": "1"}, body=body)

    async def _count(self):
        for number in range(1_000_000):
            yield b"data: %d\n\n" % number
            await asyncio.sleep(0.01)


class FakeLinks:
    """Echoes binary messages; b'close' closes, b'fail' raises."""

    def __init__(self):
        self.addresses = []
        self.ended = 0
        self.crowded = set()

    def has_room(self, address):
        return address not in self.crowded

    async def accept(self, stream, address):
        self.addresses.append(address)
        try:
            while (data := await stream.receive()) is not None:
                if data == b"close":
                    await stream.close(4000)
                elif data == b"flood":
                    while True:
                        await stream.send(bytes(100_000))
                elif data == b"fail":
                    raise RuntimeError("a secret")
                else:
                    await stream.send(data)
        finally:
            self.ended += 1
