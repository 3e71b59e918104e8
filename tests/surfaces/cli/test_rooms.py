import json

import pytest
from msgspec import json as msgjson
from msgspec import to_builtins
from msgspec.structs import replace

from foedus.values.rooms import ErasedView
from tests.surfaces.cli.samples import BANK, GENERAL, HOSTILE, LOGGED, MESSAGE, ROOM

STREAM = f"room:{ROOM}"


def streamed(*messages):
    """Return what the API streams, with its heartbeat and its events of another name."""
    parts = [b"retry: 1000\n\n", b": still here\n\n"]
    for message in messages:
        event = replace(LOGGED, message=message, kind="message.text", stream=STREAM)
        parts.append(b"id: c-%b\ndata: %b\n\n" % (message.id[:4].encode(), msgjson.encode(event)))
    return b"".join([*parts, b"event: resume\ndata:\n\n"])


def page(*messages):
    return {"messages": [to_builtins(message) for message in messages], "cursor": "c9"}


@pytest.fixture
def general(node):
    node.on("GET", "/rooms", [GENERAL]).on("POST", "/rooms", (201, GENERAL)).on("GET", "/rooms/general", GENERAL)
    for verb in ("share", "role", "unshare", "leave"):
        node.on("POST", f"/rooms/general/{verb}", GENERAL)
    node.on("GET", "/rooms/general/messages", page(MESSAGE)).on("GET", f"/rooms/{ROOM}/messages", page(MESSAGE))
    return node


def test_create_list_show(foedus, general):
    assert foedus("room", "create", "general", "--json").json == to_builtins(GENERAL)
    assert general.asked[-1].body == {"name": "general"}
    assert foedus("room", "list", "--json").json == [to_builtins(GENERAL)]
    assert foedus("room", "list").out.splitlines()[1].split() == ["general", ROOM[:12], "this", "node", "1"]
    assert "everyone at north" in foedus("room", "show", "general").out
    general.on("GET", "/rooms", [])
    assert foedus("room", "list").out == "no rooms yet\n"


def test_share_unshare_leave(foedus, general):
    assert foedus("room", "share", "general", BANK, "--json").json == to_builtins(GENERAL)
    assert general.asked[-1].body == {"peer": BANK}
    assert foedus("room", "unshare", "general", BANK, "--yes", "--json").json == to_builtins(GENERAL)
    assert foedus("room", "leave", "general", "--yes", "--json").json == to_builtins(GENERAL)


def test_roles_are_given_by_name_or_number(foedus, general):
    foedus("room", "share", "general", BANK, "--role", "spectator")
    assert general.asked[-1].body == {"peer": BANK, "role": 50}
    foedus("room", "role", "general", "ada", "super-agent")
    assert general.asked[-1].body == {"who": "ada", "role": 600, "title": None}
    foedus("room", "role", "general", "ada", "120", "--title", "guest")
    assert general.asked[-1].body == {"who": "ada", "role": 120, "title": "guest"}
    for wrong in ("owner", "999", "0", "king"):
        assert "error[bad_role]" in foedus("room", "role", "general", "ada", wrong).err


@pytest.mark.parametrize("command", [["unshare", "general", BANK], ["leave", "general"]])
def test_ending_a_membership_asks(foedus, general, command, answers_typed):
    assert foedus("room", *command).code == 2
    answers_typed("no\n")
    assert "error[cancelled]" in foedus("room", *command).err
    assert all(asked.method == "GET" for asked in general.asked)


def test_a_message_shows_who_what_where_and_whether_it_is_proved(foedus, general):
    ran = foedus("room", "read", "general", "--limit", "5", "--after", "c0")
    head, text = ran.out.splitlines()
    assert head[20:] == f' "bob" (z6MkBob), human, at "bank" ({BANK[:12]})  ✓ verified'
    assert text == "    hello"
    assert general.asked[-1].query == {"limit": "5", "after": "c0"}
    assert foedus("room", "read", "general", "--json").json == page(MESSAGE)


def test_a_message_by_a_look_alike_of_someone_known_says_so(foedus, general):
    general.on("GET", "/rooms/general/messages", page(replace(MESSAGE, author_looks_like=["bob"])))
    assert "    looks like a name that you know: bob\n" in foedus("room", "read", "general").out
    known = replace(MESSAGE, author_known_as="Bob", node_known_as="the bank")
    general.on("GET", "/rooms/general/messages", page(known))
    assert f" Bob (z6MkBob), human, at the bank ({BANK[:12]})" in foedus("room", "read", "general").out


def test_what_is_not_proved_says_why_and_a_missing_text_is_said(foedus, general):
    doubted = replace(MESSAGE, verified=False, why_not="rejected: unknown_device", text=None, author_name="")
    general.on("GET", "/rooms/general/messages", page(doubted))
    ran = foedus("room", "read", "general")
    assert "✗ not verified: rejected: unknown_device" in ran.out
    assert "the text is not held here" in ran.out
    general.on("GET", "/rooms/general/messages", page())
    assert foedus("room", "read", "general").out == "nothing was said yet\n"


def test_an_erased_message_says_who_erased_it_and_when(foedus, general):
    erased = ErasedView(
        event="ab" * 32, by=MESSAGE.author, by_name="ada", node="cd" * 32, at=MESSAGE.at, reason="author"
    )
    general.on("GET", "/rooms/general/messages", page(replace(MESSAGE, text=None, erased=erased)))
    assert "(erased by ada, author, 2023-11-14 22:13:20)" in foedus("room", "read", "general").out


def test_a_hostile_message_is_shown_inert(foedus, general):
    general.on("GET", "/rooms/general/messages", page(replace(MESSAGE, text=HOSTILE * 3, author_name=HOSTILE)))
    out = foedus("room", "read", "general").out
    assert not set(out) & set("\x1b\u202e\r\x9b\u200b")
    assert all(line.startswith("    ") for line in out.splitlines()[1:])


def follow(foedus, monkeypatch):
    """Follow until the stream ends; the wait for a node that went away is none."""
    monkeypatch.setattr("foedus.surfaces.cli.rooms.RETRY_S", -1.0)
    return foedus("room", "follow", "general", "--json")


def test_follow_shows_the_newest_then_each_new_one_once(foedus, general, monkeypatch):
    second = replace(MESSAGE, id="ab" * 32, text="second")
    general.on("STREAM", "/events", streamed(MESSAGE, second, second))
    ran = follow(foedus, monkeypatch)
    shown = [json.loads(line) for line in ran.out.splitlines()]
    assert [message.get("text") for message in shown[:2]] == ["hello", "second"]
    assert shown[2]["error"]["code"] == "stream_lost"
    assert len(shown) == 3
    asked = next(asked for asked in general.asked if asked.path == "/events")
    assert asked.query == {"stream": STREAM}


def test_follow_opens_the_stream_before_it_reads_the_page(foedus, general, monkeypatch):
    general.on("STREAM", "/events", streamed())
    follow(foedus, monkeypatch)
    assert [asked.path for asked in general.asked] == ["/rooms/general", "/events", f"/rooms/{ROOM}/messages"]


def test_follow_goes_on_after_the_last_event_when_the_node_comes_back(foedus, general, monkeypatch):
    streams = iter([streamed(MESSAGE), streamed(replace(MESSAGE, id="ab" * 32))])
    general.on("STREAM", "/events", lambda: next(streams))
    waits = iter([None])
    monkeypatch.setattr("time.sleep", lambda _: next(waits))  # the second wait ends the test
    foedus("room", "follow", "general", "--json")
    opened = [head for head, asked in zip(general.heads, general.asked, strict=True) if asked.path == "/events"]
    assert [head.get("Last-Event-ID") for head in opened] == [None, "c-0f0f"]


def test_follow_tells_what_the_node_tells_in_the_stream(foedus, general, monkeypatch):
    problem = b'event: problem\ndata: {"code":"gone","message":"m","remedy":"r"}\n\n'
    general.on("STREAM", "/events", problem)
    ran = follow(foedus, monkeypatch)
    assert json.loads(ran.out.splitlines()[-1])["error"]["code"] == "gone"


def test_follow_of_an_unknown_cursor_or_room_is_an_error(foedus, general, monkeypatch):
    general.on("STREAM", "/events", (410, {"code": "gone", "message": "m", "remedy": "r"}))
    assert follow(foedus, monkeypatch).error["code"] == "gone"
    assert foedus("room", "follow", "nowhere", "--json").error["code"] == "not_found"


def test_the_next_command_may_be_pasted_whatever_the_name(foedus, node):
    node.on("GET", "/rooms/our; rm -rf ~", GENERAL)
    assert foedus("room", "show", "our; rm -rf ~").err.endswith("foedus room read 'our; rm -rf ~'\n")
