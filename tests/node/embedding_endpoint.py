"""An endpoint as OpenAI's for tests: small vectors by what words are about, and every way to answer badly."""

import json
from contextlib import asynccontextmanager

from aiohttp import web

from foedus.node.home import Home, create_home

ABOUT = {
    "bees": 0, "bee": 0, "pollinators": 0, "honey": 0, "hive": 0,
    "rain": 1, "weather": 1, "storm": 1, "clouds": 1,
    "money": 2, "bank": 2, "loan": 2, "credit": 2,
}  # fmt: skip
DIMENSION = 4
POISON = "mandrake"
"""A text with this word gets a vector that is none, for ever."""


def vector_of(text):
    vector = [0.0] * (DIMENSION - 1) + [0.01]
    for word in text.lower().replace(".", " ").split():
        if word in ABOUT:
            vector[ABOUT[word]] += 1.0
    return vector


class Endpoint:
    """``answers``: how it answers now, see ``BAD``; ``asked``: the texts of each request."""

    def __init__(self):
        self.answers = "well"
        self.asked = []
        self.keys = []
        self.url = ""

    async def handle(self, request):
        self.keys.append(request.headers.get("Authorization", ""))
        if self.answers == "down":
            return web.Response(status=503)
        texts = (await request.json())["input"]
        self.asked.append(texts)
        vectors = [[float("nan")] * DIMENSION if POISON in text else vector_of(text) for text in texts]
        rows = [{"object": "embedding", "index": place, "embedding": each} for place, each in enumerate(vectors)]
        body = json.dumps({"object": "list", "data": BAD.get(self.answers, lambda rows: rows)(rows)})
        return web.Response(text=body + ("x" * 8_000_000 if self.answers == "huge" else ""))


def _with(change):
    return lambda rows: [row | {"embedding": change(row["embedding"])} for row in rows]


BAD = {
    "nan": _with(lambda numbers: [float("nan"), *numbers[1:]]),
    "infinite": _with(lambda numbers: [float("inf"), *numbers[1:]]),
    "overflow": _with(lambda numbers: [1.7e308, 1.7e308, *numbers[2:]]),
    "zero": _with(lambda numbers: [0.0] * len(numbers)),
    "empty": _with(lambda _: []),
    "wide": _with(lambda numbers: [*numbers, 1.0]),
    "narrow": _with(lambda numbers: numbers[1:]),
    "vast": _with(lambda _: [1.0] * 5_000),
    "text": _with(lambda _: "AAAA"),
    "fewer": lambda rows: rows[1:],
    "more": lambda rows: [*rows, rows[0]],
    "others": lambda rows: [row | {"index": row["index"] + 7} for row in rows],
    "junk": lambda _: "no list",
    "huge": lambda rows: rows,
}


@asynccontextmanager
async def endpoint():
    it = Endpoint()
    app = web.Application()
    app.router.add_post("/v1/embeddings", it.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    it.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/embeddings"
    try:
        yield it
    finally:
        await runner.cleanup()


async def add(it, name, source, **more):
    """Make a node whose policy names an endpoint."""
    home = Home(it.folder / name)
    _, it.words[name] = create_home(home, name)
    options = {"embedder": "http", "url": source.url, "model": "small"} | more
    lines = [f"{option} = {value!r}".replace("'", '"') for option, value in options.items()]
    home.policy_path.write_text("[knowledge]\n" + "\n".join(lines) + "\n")
    return await it.start(name)
