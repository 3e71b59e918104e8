"""`foedus` behind an address of the test's own: what others dial is forwarded to the node, until the test cuts it.

Run as a module it is the command line of a node that tells its peers another address than the one it listens at.
"""

import asyncio
import sys
import threading

from foedus.node.peers import Peers
from foedus.surfaces.cli.main import main
from foedus.surfaces.demo.processes import NodeProcess


class Forwarder:
    """Takes connections at a port of its own and forwards them; ``cut`` ends them all and takes no more."""

    def __init__(self):
        self._loop = asyncio.new_event_loop()
        self._open = set()
        self._is_cut = False
        self.target = 0
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def cut(self):
        """Part both sides."""
        self._loop.call_soon_threadsafe(self._part)

    def heal(self):
        """Let them meet again."""
        self._is_cut = False

    def _part(self):
        self._is_cut = True
        for writer in self._open:
            writer.transport.abort()

    async def _serve(self, reader, writer):
        if self._is_cut:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, far_writer}
        self._open |= both
        try:
            await asyncio.gather(_pour(reader, far_writer), _pour(far_reader, writer))
        except OSError:
            pass
        finally:
            self._open -= both
            for each in both:
                each.transport.abort()


async def _pour(reader, writer):
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


class ForwardedNode(NodeProcess):
    """A node that others reach by a forwarder alone; its own clients connect to it directly."""

    def __init__(self, name, home):
        super().__init__(name, home)
        self.wire = Forwarder()

    def command(self):
        python, _, _, *arguments = super().command()
        return [python, "-m", "tests.processes.forwarder", self.wire.url, *arguments]

    def wait_ready(self):
        super().wait_ready()
        self.wire.target = self._port


if __name__ == "__main__":
    told = sys.argv.pop(1)
    Peers.advertised = property(lambda _self: [told], lambda _self, _urls: None)
    main()
