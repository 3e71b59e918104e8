"""An agent behind a webhook, for tests: it checks what comes as a careful one does, and answers as it is told."""

import asyncio
import contextlib
from contextlib import asynccontextmanager

from aiohttp import web

from foedus.sdk import NotFromNode, verify_webhook


class Receiver:
    """``answers``: what it does with each request, in order, the last for ever; ``calls``: what came, verified.

    An answer is a status and a body, ``drop`` (the connection ends without a word) or ``hang``.
    """

    def __init__(self):
        self.answers = [say()]
        self.key = ""
        self.url = ""
        self.calls = []
        self.headers = []
        self.forged = 0
        self.gone = 0
        self.let_go = asyncio.Event()

    async def handle(self, request):
        body = await request.read()
        self.headers.append(dict(request.headers))
        try:
            call = verify_webhook(request.headers, body, key=self.key, url=self.url)
        except NotFromNode:
            self.forged += 1
            return web.Response(status=401)
        self.calls.append(call)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer == "drop":
            request.transport.abort()
            return web.Response()
        if answer == "hang":
            try:
                await self.let_go.wait()
            except asyncio.CancelledError:
                self.gone += 1
                raise
            return web.Response(status=503)
        status, make, headers = answer
        return web.Response(status=status, text=make(call), headers=headers, content_type="application/json")


def say(status=200, text=None, **headers):
    """Return an answer; without a text it says back what it hears."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, lambda call: text if text is not None else f'{{"output": {{"said": "{call.input["text"]}"}}}}', named


@asynccontextmanager
async def receiver(running, path="/calls?secret=5up3r"):
    it = Receiver()
    it.key = running.node.store.keys.ed25519.public.hex()
    app = web.Application()
    app.router.add_post("/calls", it.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    it.url = f"http://127.0.0.1:{runner.addresses[0][1]}{path}"
    try:
        yield it
    finally:
        it.let_go.set()
        with contextlib.suppress(Exception):
            await runner.cleanup()
