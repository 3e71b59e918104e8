import json
import os
import subprocess
import sys

import pytest

from foedus.base.errors import Unavailable
from foedus.surfaces.cli import main as main_module
from tests.docs.pages import read
from tests.surfaces.cli.samples import HOSTILE, IDENTITY

COMMANDS = [
    ["init"],
    ["up"],
    ["id"],
    ["status"],
    ["doctor"],
    ["demo"],
    ["version"],
    *(["peer", verb] for verb in ("request", "pending", "accept", "decline", "ignore", "trust", "untrust", "list")),
    *(["peer", verb] for verb in ("browse", "confirm", "show", "tier", "pause", "resume", "disconnect", "follow")),
    *(["policy", verb] for verb in ("check", "show")),
    *(["agreement", verb] for verb in ("show", "propose", "counter", "sign", "decline", "withdraw", "terminate")),
    *(["agreement", verb] for verb in ("diff", "history")),
    *(["participant", verb] for verb in ("add", "list", "find", "revoke", "token")),
    *(["pair", verb] for verb in ("start", "device", "list", "confirm", "refuse")),
    *(["device", verb] for verb in ("list", "revoke")),
    *(["room", verb] for verb in ("create", "list", "show", "share", "unshare", "leave", "read", "follow", "role")),
    *(["crdt", verb] for verb in ("list", "show", "set", "add", "remove", "increment", "transfer")),
    ["say"],
    ["ask"],
    *(["call", verb] for verb in ("list", "show", "cancel")),
    *(["passkey", verb] for verb in ("list", "remove")),
    *(["webhook", verb] for verb in ("set", "list", "remove")),
    *(["council", verb] for verb in ("create", "join", "list", "show", "members", "propose", "get", "log")),
    *(["council", verb] for verb in ("proof", "verify", "add", "remove", "motions", "approve", "govern")),
    ["capability", "add"],
    ["capability", "find"],
    ["capability", "list"],
    ["capability", "remove"],
    ["trace"],
    ["topology"],
    *(["grant", verb] for verb in ("create", "list", "show", "revoke")),
    *(["approval", verb] for verb in ("list", "show", "allow", "deny")),
    *(["knowledge", verb] for verb in ("publish", "revise", "retract", "republish", "search", "show", "history")),
    *(["knowledge", verb] for verb in ("import", "export")),
    *(["task", verb] for verb in ("offer", "claim", "progress", "done", "list", "show")),
    *(["name", verb] for verb in ("set", "list", "remove")),
    *(["credential", verb] for verb in ("issue", "list", "show", "hold", "forget", "challenge", "present", "verify")),
    *(["credential", verb] for verb in ("revoke", "trust", "untrust", "issuers")),
    ["vouch"],
    *(["standing", verb] for verb in ("list", "show", "propose", "confirm")),
    ["explain"],
    ["erase"],
    *(["retention", verb] for verb in ("run", "skip")),
    *(["log", verb] for verb in ("list", "verify")),
    ["mcp", "config"],
    *(["proof", verb] for verb in ("export", "council", "verify")),
    *(["audit", verb] for verb in ("verify", "export", "tail")),
    *(
        ["key", verb]
        for verb in ("generate", "export", "import", "list", "rotate", "recover", "sign-test", "self-test")
    ),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_and_the_two_common_options(foedus, command):
    ran = foedus(*command, "--help")
    assert ran.code == 0
    assert "--json" in ran.out
    assert "--home" in ran.out


def test_there_are_no_other_commands():
    page = read("docs/cli.md")  # which test_reference holds to the commands
    headings = [line.removeprefix("## foedus ").split() for line in page.split("\n") if line.startswith("## foedus ")]
    nouns = {command[0] for command in COMMANDS if len(command) > 1}
    assert sorted(h for h in headings if h[0] not in nouns or len(h) > 1) == sorted(COMMANDS)


def test_no_arguments_show_the_help(foedus):
    ran = foedus()
    assert ran.code == 0
    assert "foedus init" in ran.out


@pytest.mark.parametrize(
    "wrong",
    [
        ["bogus"],
        ["peer", "bogus"],
        ["peer", "accept"],
        ["status", "--bogus"],
        ["peer", "tier", "x", "GOLD"],
        ["room", "read", "r", "--limit", "0"],
        ["room", "read", "r", "--limit", "many"],
        ["up", "--port", "70000"],
        ["up", "--tls-cert", "c.pem"],
        ["version", "surplus"],
        ["say"],
        ["say", "general"],
        ["say", "general", " "],
        ["say", "general", "hi", "--file", "x"],
        ["say", "general", "hi", "--bogus"],
        ["participant", "add", "ada", "--kind", "robot"],
        ["participant", "add", "ada", "--kind", "human", "--custodial"],
    ],
    ids=" ".join,
)
def test_a_misused_command_exits_2_with_a_code_and_a_remedy(foedus, wrong):
    ran = foedus(*wrong)
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err.startswith("error[usage]: ")
    assert ran.err.count("\n") == 2
    assert "\n→ " in ran.err


def test_with_json_an_error_is_json_on_stdout(foedus):
    ran = foedus("peer", "accept", "--json")
    assert ran.code == 2
    assert ran.err == ""
    assert set(ran.error) == {"code", "message", "remedy"}


def test_the_word_json_in_a_text_is_no_option(foedus):
    ran = foedus("version", "--", "--json")
    assert ran.err.startswith("error[usage]")


@pytest.mark.parametrize("garbled", ["\udcff", "a\0b"])
def test_an_argument_that_is_not_text_is_refused(foedus, garbled):
    ran = foedus("room", "create", garbled)
    assert ran.code == 2
    assert "argument 3 is not" in ran.err


def test_a_home_without_a_node_says_how_to_make_one(foedus):
    ran = foedus("status", "--json")
    assert ran.code == 1
    assert ran.error["code"] == "no_home"
    assert "foedus init" in ran.error["remedy"]


@pytest.mark.usefixtures("home")
def test_a_node_that_does_not_run_is_said_with_the_command_that_starts_it(foedus):
    ran = foedus("status")
    assert ran.code == 1
    assert ran.err.startswith("error[not_running]")
    assert "foedus up" in ran.err


@pytest.mark.parametrize("info", [{"pid": 2**22 + 1}, {"pid": os.getpid(), "url": "http://127.0.0.1:9"}])
def test_a_killed_node_is_not_taken_for_a_running_one(foedus, home, info):
    home.info_path.write_text(json.dumps({"url": "http://127.0.0.1:9", "node": IDENTITY.node} | info))
    assert foedus("status", "--json").error["code"] == "not_running"


def test_an_error_of_the_node_is_shown_with_its_code_and_remedy_and_made_inert(foedus, node):
    node.on("GET", "/status", (409, {"code": "odd", "message": HOSTILE, "remedy": f"do {HOSTILE}"}))
    ran = foedus("status")
    assert ran.code == 1
    assert ran.err.startswith("error[odd]: big\ufffd[31mbank")
    assert ran.err.count("\n") == 2
    assert foedus("status", "--json").error == {"code": "odd", "message": HOSTILE, "remedy": f"do {HOSTILE}"}


@pytest.mark.parametrize("answer", [b"", b"\xff\x00", b"[]", b'{"half":', (500, b"<html>"), (204, b"")])
def test_an_answer_that_is_not_understood_is_said_so(foedus, node, answer):
    node.on("GET", "/status", answer)
    ran = foedus("status", "--json")
    assert ran.code == 1
    assert ran.error["code"] == "bad_answer"


def test_the_token_goes_along_and_nowhere_else(foedus, node, home):
    node.on("GET", "/identity", IDENTITY)
    ran = foedus("id")
    assert node.heads[0]["Authorization"] == f"Bearer {home.token()}"
    assert home.token() not in ran.out + ran.err


@pytest.mark.usefixtures("node")
def test_an_unexpected_error_is_told_without_a_traceback(foedus, monkeypatch):
    def fails(*_):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("foedus.surfaces.cli.client.Client.get", fails)
    ran = foedus("status")
    assert ran.code == 1
    assert ran.err.startswith("error[internal]: ZeroDivisionError: oh\n→ ")


@pytest.mark.usefixtures("node")
def test_ctrl_c_exits_130(foedus, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("foedus.surfaces.cli.client.Client.get", interrupted)
    ran = foedus("status")
    assert ran == (130, "", "")


@pytest.mark.usefixtures("node")
def test_errors_of_the_world_keep_their_code(foedus, monkeypatch):
    def full(*_):
        raise Unavailable("the disk is full", code="disk_full", remedy="make room")

    monkeypatch.setattr("foedus.surfaces.cli.client.Client.get", full)
    assert foedus("status", "--json").error == {
        "code": "disk_full",
        "message": "the disk is full",
        "remedy": "make room",
    }


def start(*arguments, **kwargs):
    command = [sys.executable, "-m", main_module.__name__, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs)


def test_a_reader_that_goes_away_leaves_no_traceback():
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", main_module.__name__, "version"]
    ran = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert ran.returncode == 141
    assert b"Traceback" not in ran.stderr
    assert b"Broken" not in ran.stderr


def test_a_terminal_without_unicode_is_no_error(tmp_path):
    started = start("key", "self-test", env=os.environ | {"PYTHONIOENCODING": "ascii", "FOEDUS_HOME": str(tmp_path)})
    out, err = started.communicate()
    assert started.returncode == 0
    assert out.startswith(b"ok Ed25519")
    assert b"-> next" in err


def test_bytes_that_are_not_utf8_in_an_argument_are_no_traceback():
    started = start("room", "create", os.fsdecode(b"\xff\xfe"))
    _, err = started.communicate()
    assert started.returncode == 2
    assert err.startswith(b"error[usage]: argument 3 is not")
