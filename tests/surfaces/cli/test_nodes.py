import asyncio
import json
import os
import re
import signal
import threading

import pytest
from msgspec import Struct, to_builtins
from msgspec.structs import replace

from foedus import __version__
from foedus.base.errors import Unavailable
from foedus.crypto.words import from_words
from foedus.node.home import Home
from foedus.surfaces.cli.running import _page_words
from foedus.values.node import CouncilStatusView
from tests.surfaces.cli.samples import BANK, CONNECTED, HOSTILE, IDENTITY, OWN, STATUS


class Check(Struct):
    """As node/doctor.py has it."""

    name: str
    ok: bool
    message: str
    remedy: str


def test_init_shows_the_node_and_its_24_words_once(foedus):
    ran = foedus("init", "--name", "north")
    words = re.findall(r"^ *\d+ (\w+)", re.sub(r" +(?=\d+ )", "\n", ran.out), re.MULTILINE)
    assert len(from_words(" ".join(words[-24:]))) == 32
    assert "only this once" in ran.err
    assert "foedus up" in ran.err
    again = foedus("init", "--json")
    assert again.code == 1
    assert again.error["code"] == "home_exists"


def test_init_json_has_the_words_too(foedus, tmp_path):
    ran = foedus("init", "--json", "--home", tmp_path / "other")
    assert set(ran.json) == {"identity", "recovery_words"}
    assert len(ran.json["recovery_words"]) == 24
    assert len(ran.json["identity"]["node"]) == 64
    assert ran.err == ""
    assert Home(tmp_path / "other").exists()


def test_id_of_a_running_node(foedus, node):
    node.on("GET", "/identity", IDENTITY)
    assert foedus("id", "--json").json == to_builtins(IDENTITY)
    shown = foedus("id").out
    assert OWN in shown
    assert IDENTITY.did in shown
    assert IDENTITY.ed25519 in shown


def test_id_of_a_node_that_does_not_run(foedus, home, stand_in):
    stand_in("foedus.node.offline", identity=lambda asked: IDENTITY if asked.path == home.path else None)
    assert foedus("id", "--json").json == to_builtins(IDENTITY)


def test_status_shows_what_is_wrong_first_then_the_node_then_peers(foedus, node):
    node.on("GET", "/status", STATUS)
    ran = foedus("status")
    assert ran.code == 0
    assert ran.out.startswith("✗ clock_ahead: the clock is wrong\n  → set it\n")
    assert ran.out.index("clock_ahead") < ran.out.index(OWN) < ran.out.index("bigbank")
    assert "foedus peer pending" in ran.err
    assert foedus("status", "--json").json == to_builtins(STATUS)


def test_status_has_a_line_for_each_council(foedus, node):
    board = CouncilStatusView(
        id="cd" * 32,
        name="board",
        state="running",
        view=2,
        leader=OWN,
        made=7,
        lag=1,
        silent=[CONNECTED.node, "ef" * 32],
    )
    asked = replace(board, name="other", state="asked", view=None, leader=None, made=None, lag=None, silent=[])
    node.on("GET", "/status", replace(STATUS, councils=[board, asked]))
    shown = foedus("status").out
    assert 'view 2, this node leads, 7 made, 1 behind; silent: "bigbank", efefefef' in shown
    assert "asks this node to join" in shown
    assert foedus("status", "--json").json["councils"][0]["silent"] == [CONNECTED.node, "ef" * 32]


def test_a_connected_peer_without_a_link_is_shown_with_the_reason(foedus, node):
    down = replace(CONNECTED, link="none", link_error="connection refused")
    node.on("GET", "/status", replace(STATUS, peers=[down]))
    assert "none (connection refused)" in foedus("status").out


def test_no_colour_when_piped(foedus, node, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    node.on("GET", "/status", STATUS)
    ran = foedus("status")
    assert "\x1b" not in ran.out + ran.err


def test_hostile_names_are_shown_inert(foedus, node):
    node.on("GET", "/status", replace(STATUS, peers=[replace(CONNECTED, name=HOSTILE)]))
    out = foedus("status").out
    assert not set(out) & set("\x1b\u202e\r\x9b\u200b")
    assert "big\ufffd[31mbank" in out
    raw = foedus("status", "--json")
    assert raw.json["peers"][0]["name"] == HOSTILE
    assert raw.out.isascii()


def test_doctor_shows_failures_first_and_exits_1(foedus, stand_in):
    checks = [Check("lock", True, "looked", ""), Check("rights", False, "looked", "run `chmod 700 x`")]
    stand_in("foedus.node.doctor", run_checks=lambda _home: checks)
    ran = foedus("doctor")
    assert ran.code == 1
    assert ran.out == "✗ rights: looked\n  → run `chmod 700 x`\n✓ lock: looked\n"


def test_doctor_json(foedus, stand_in):
    check = {"name": "lock", "ok": True, "message": "held", "remedy": ""}
    stand_in("foedus.node.doctor", run_checks=lambda _home: [Check(**check)])
    ran = foedus("doctor", "--json")
    assert ran.code == 0
    assert ran.json == {"ok": True, "checks": [check]}


def test_demo_passes_the_exit_code_on(foedus, stand_in):
    def run_demo(as_json, out, keep):
        out.write(json.dumps({"json": as_json, "keep": keep}))
        return 1

    stand_in("foedus.surfaces.demo", run_demo=run_demo)
    ran = foedus("demo", "--json")
    assert ran.code == 1
    assert ran.json == {"json": True, "keep": False}
    assert foedus("demo", "--json", "--keep").json == {"json": True, "keep": True}


def test_version(foedus):
    assert foedus("version").out == f"foedus {__version__}\n"
    assert set(foedus("version", "--json").json) == {"version", "protocol", "python"}


async def _serves(_home, host, port, *others):
    on_ready = others[-1]
    on_ready(IDENTITY, f"http://{host}:{port}")
    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()
    try:
        await asyncio.sleep(10)
    finally:
        _serves.stopped = True


@pytest.mark.usefixtures("home")
def test_up_says_where_and_who_and_what_next_and_stops_on_sigterm(foedus, stand_in):
    stand_in("foedus.surfaces.serve", serve=_serves)
    ran = foedus("up", "--port", "0")
    assert ran.code == 0
    assert _serves.stopped
    assert "north listens at http://127.0.0.1:0" in ran.out
    assert OWN in ran.out
    assert "foedus status" in ran.err
    assert "stopping" in ran.err


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(("host", "named"), [("192.168.1.20", "IP:192.168.1.20"), ("oak.lan", "DNS:oak.lan")])
def test_up_says_in_one_line_how_a_page_beyond_loopback_gets_tls(foedus, stand_in, host, named):
    stand_in("foedus.surfaces.serve", serve=_serves)
    said = [line for line in foedus("up", "--host", host, "--port", "8103").err.splitlines() if "TLS" in line]
    assert len(said) == 1
    assert f"subjectAltName={named} " in said[0]
    assert said[0].endswith(f"&& foedus up --host {host} --port 8103 --tls-cert cert.pem --tls-key key.pem")


@pytest.mark.usefixtures("home")
def test_up_json_prints_one_line_when_ready(foedus, stand_in):
    stand_in("foedus.surfaces.serve", serve=_serves)
    ran = foedus("up", "--json")
    assert ran.json == {"url": "http://127.0.0.1:8102", "identity": to_builtins(IDENTITY)}
    assert ran.err == ""


def test_up_makes_the_node_first_where_it_may(foedus, stand_in):
    stand_in("foedus.surfaces.serve", serve=_serves)
    refused = foedus("up")
    assert refused.code == 2
    assert "--yes" in refused.err
    ran = foedus("up", "--yes", "--json", "--name", "north")
    made, ready = map(json.loads, ran.out.splitlines())
    assert len(made["recovery_words"]) == 24
    assert ready["identity"]["name"] == "north"


def test_up_asks_a_person_before_it_makes_a_node(foedus, stand_in, answers_typed):
    stand_in("foedus.surfaces.serve", serve=_serves)
    answers_typed("n\n", "y\n")
    assert foedus("up").err.startswith("There is no node in")
    assert foedus("up").code == 0


@pytest.mark.usefixtures("home")
def test_an_error_while_serving_is_told(foedus, stand_in):
    async def serve(*_):
        raise Unavailable(f"port taken by {BANK}", code="port_taken", remedy="choose another --port")

    stand_in("foedus.surfaces.serve", serve=serve)
    assert foedus("up", "--json").error["code"] == "port_taken"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://127.0.0.1:8102", "Its page is http://127.0.0.1:8102/"),
        ("https://192.0.2.7:8102", "Its page is https://192.0.2.7:8102/"),
        ("http://192.0.2.7:8102", "subjectAltName=IP:192.0.2.7"),
        ("http://oak.example:9000", "foedus up --host oak.example --port 9000 --tls-cert cert.pem --tls-key key.pem"),
    ],
)
def test_where_the_page_is_or_how_it_gets_tls_is_said_in_one_line(url, told):
    (line,) = _page_words(url)
    assert told in line
    assert "\n" not in line
