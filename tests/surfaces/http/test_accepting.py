"""Connections are accepted at a measured pace, and links for which there is no room are refused before the upgrade."""

import asyncio

from foedus.surfaces.http.accepting import Accepting
from foedus.surfaces.http.limits import ACCEPTS_PAUSE_S
from foedus.surfaces.http.server import _bind


class Met(asyncio.Protocol):
    def __init__(self, met):
        self.met = met

    def connection_made(self, transport):
        self.met.append(asyncio.get_running_loop().time())
        transport.close()


async def closed(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert await reader.read() == b""
    writer.close()


async def test_a_crowd_is_let_in_one_at_a_time():
    met = []
    listener = _bind("127.0.0.1", 0)
    accepting = Accepting(listener, lambda: Met(met), None)
    began = asyncio.get_running_loop().time()
    await asyncio.gather(*(closed(listener.getsockname()[1]) for _ in range(40)))
    accepting.close()
    listener.close()
    assert len(met) == 40
    assert met[-1] - began >= (40 - 1) * ACCEPTS_PAUSE_S * 0.9


async def test_it_goes_on_where_the_system_has_no_more_places(monkeypatch):
    monkeypatch.setattr("foedus.surfaces.http.accepting.ACCEPTS_WITHOUT_PLACE_S", 0.01)
    met, failures = [], [OSError(24, "too many open files")]
    listener = _bind("127.0.0.1", 0)

    class Listener:
        fileno = staticmethod(listener.fileno)

        def accept(self):
            if failures:
                raise failures.pop()
            return listener.accept()

    accepting = Accepting(Listener(), lambda: Met(met), None)
    await closed(listener.getsockname()[1])
    accepting.close()
    listener.close()
    assert len(met) == 1
