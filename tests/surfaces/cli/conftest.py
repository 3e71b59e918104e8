"""A home folder, a node that gives canned answers over real HTTP, and `foedus` run in this process."""

import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from types import SimpleNamespace
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
import pytest

from foedus.adapters import device_folder
from foedus.crypto.sealed import LEAST
from foedus.node.home import Home, create_home
from foedus.surfaces.cli import devices
from foedus.surfaces.cli.main import main
from tests.surfaces.cli import samples


class Ran(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        """Return the one JSON value on stdout."""
        return json.loads(self.out)

    @property
    def error(self):
        """Return the error of a --json command."""
        return self.json["error"]


class Asked(NamedTuple):
    """A request that the fake node got."""

    method: str
    path: str
    query: dict
    body: object


class FakeNode:
    """Answers (method, path) by what the test put in ``answers``: a value, (status, value) or raw bytes of a stream.

    An iterator gives one of them each time.
    """

    def __init__(self):
        self.answers = {}
        self.asked = []
        self.heads = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                url = urlsplit(self.path)
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                path = unquote(url.path).removeprefix("/api/v1")
                fake.asked.append(Asked(self.command, path, dict(parse_qsl(url.query)), body))
                fake.heads.append(dict(self.headers))
                stream = self.headers.get("Accept") == "text/event-stream"
                found = fake.answers.get(("STREAM" if stream else self.command, path))
                found = next(found) if isinstance(found, Iterator) else found
                status, value = found if isinstance(found, tuple) else (200, found)
                if found is None:
                    status, value = 404, {"code": "not_found", "message": f"no {path}", "remedy": "look"}
                value = value() if callable(value) else value
                data = value if isinstance(value, bytes) else msgspec.json.encode(value)
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = answer  # noqa: N815  # the names that http.server calls

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def on(self, method, path, value):
        """Answer (method, path) with ``value``."""
        self.answers[method, path] = value
        return self

    def bodies(self, method, path):
        """Return what was sent there."""
        return [asked.body for asked in self.asked if (asked.method, asked.path) == (method, path)]

    def close(self):
        """Stop serving."""
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="session")
def made_home(tmp_path_factory):
    path = tmp_path_factory.mktemp("made") / "home"
    create_home(Home(path), "north")
    return path


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    for name in ("PASSPHRASE", "RECOVERY_WORDS", "TOKEN", "URL"):
        monkeypatch.delenv(f"FOEDUS_{name}", raising=False)
    for name in ("FORCE_COLOR", "NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FOEDUS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FOEDUS_DEVICE", str(tmp_path / "device"))
    monkeypatch.setattr(devices, "DeviceFolder", lambda path: device_folder.DeviceFolder(path, cost=LEAST))


@pytest.fixture
def home(tmp_path, made_home):
    shutil.copytree(made_home, tmp_path / "home")
    return Home(tmp_path / "home")


@pytest.fixture
def node(home):
    fake = FakeNode()
    home.info_path.write_text(json.dumps({"url": fake.url, "pid": os.getpid(), "node": samples.OWN}))
    now = {"node": samples.OWN, "epoch": samples.EPOCH}
    fake.on("GET", "/signing", lambda: now | {"now": time.time_ns() // 1000})
    yield fake
    fake.close()


@pytest.fixture
def foedus(capsys):
    def run(*argv):
        code = main([str(argument) for argument in argv])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


@pytest.fixture
def stand_in(monkeypatch):
    """Put functions in the place of a module."""

    def put(name, **functions):
        module = SimpleNamespace(**functions)
        package, _, leaf = name.rpartition(".")
        monkeypatch.setitem(sys.modules, name, module)
        monkeypatch.setattr(import_module(package), leaf, module, raising=False)

    return put


@pytest.fixture
def answers_typed(monkeypatch):
    """Sit a person at the keyboard who types these lines."""

    def sit(*lines):
        typed = iter(lines)
        monkeypatch.setattr(
            sys, "stdin", SimpleNamespace(isatty=lambda: True, readline=lambda: next(typed, ""), fileno=lambda: -1)
        )

    return sit
