import pytest
from msgspec import to_builtins

from foedus.base.base64url import from_base64url
from foedus.base.cbor import decode, decode_as, encode
from foedus.log.bodies import CrdtDelta
from foedus.log.event import Act
from foedus.surfaces.cli.crdts import parse_value
from foedus.values.crdts import AdditionView, CrdtView
from tests.surfaces.cli.samples import BANK, ELSEWHERE, EVENT, GENERAL, MEMBERSHIP, PLACED, ROBOT, ROOM
from tests.surfaces.cli.test_speaking import ADA, ada_is_here

__all__ = ["ada_is_here"]
EPOCH = "ee" * 32
BOARD = CrdtView(
    room=ROOM, name="board", type="map", entries=2, writers=[BANK], holes=1, value={"a": 1, "b": "\x1b[2J"}
)
BAG = CrdtView(
    room=ROOM,
    name="bag",
    type="set",
    entries=1,
    writers=[],
    holes=0,
    value=["x"],
    additions=[AdditionView(value="x", epoch=EPOCH, number=2_048)],
)


@pytest.fixture
def general(node):
    node.on("GET", "/participants", [ROBOT, ADA, ELSEWHERE]).on("GET", "/rooms/general", GENERAL)
    node.on("GET", "/rooms/general/crdts", [BOARD]).on("GET", "/rooms/general/crdts/board", BOARD)
    node.on("GET", "/rooms/general/crdts/bag", BAG).on("GET", f"/rooms/{ROOM}/crdts/bag", BAG)
    for name in ("board", "bag", "count"):
        node.on("POST", f"/rooms/{ROOM}/crdts/{name}", (201, PLACED))
    return node


def sent(node, name):
    return node.bodies("POST", f"/rooms/{ROOM}/crdts/{name}")


@pytest.mark.usefixtures("general")
def test_values_are_listed_and_shown_inert(foedus):
    assert foedus("crdt", "list", "general", "--json").json == [to_builtins(BOARD)]
    assert foedus("crdt", "list", "general").out.splitlines()[1].split()[:3] == ["board", "map", "2"]
    shown = foedus("crdt", "show", "general", "board").out
    assert "not whole here: 1 chains" in shown
    assert "\x1b" not in shown
    assert foedus("crdt", "show", "general", "board", "--json").json == to_builtins(BOARD)


def test_each_command_is_its_operation(foedus, general):
    by = ("--as", "robot")
    foedus("crdt", "set", "general", "board", "a", '{"x": [1, null]}', *by)
    foedus("crdt", "remove", "general", "board", "a", *by)
    foedus("crdt", "add", "general", "bag", "x", "2", *by)
    foedus("crdt", "add", "general", "bag", "x", "--grow", *by)
    foedus("crdt", "set", "general", "bag", "hello", *by)
    foedus("crdt", "increment", "general", "count", "-3", *by)
    numbers = {"improvement": -5, "confidence": 7, "cycle": 2}
    options = [word for name, value in numbers.items() for word in (f"--{name}", str(value))]
    foedus("crdt", "transfer", "general", "count", "chess", "go", *options, *by)
    who = {"as": ROBOT.did}
    assert sent(general, "board") == [
        {"type": "map", "set": {"a": {"x": [1, None]}}} | who,
        {"type": "map", "remove": ["a"]} | who,
    ]
    assert sent(general, "bag") == [
        {"type": "set", "add": ["x", 2]} | who,
        {"type": "grow-set", "add": ["x"]} | who,
        {"type": "register", "value": "hello"} | who,
    ]
    assert sent(general, "count") == [
        {"type": "counter", "by": -3} | who,
        {"type": "transfer", "transfers": [{"source": "chess", "target": "go"} | numbers]} | who,
    ]


@pytest.mark.usefixtures("ada_is_here")
def test_a_person_signs_on_the_device_and_removes_what_is_seen(foedus, general):
    assert foedus("crdt", "remove", "general", "bag", "x", "--as", "ada", "--json").json == PLACED
    (signed,) = sent(general, "bag")
    act = decode_as(from_base64url(signed["act"]), Act)
    assert (act.kind, act.auth) == ("crdt.delta", (bytes.fromhex(EVENT), bytes.fromhex(MEMBERSHIP)))
    body = decode_as(from_base64url(signed["body"]), CrdtDelta)
    assert (body.name, body.type) == ("bag", "set")
    assert decode(body.delta) == {"add": [], "remove": [[bytes.fromhex(EPOCH), [2_048]]]}


def test_what_waits_for_a_person_says_so(foedus, general):
    general.on("POST", f"/rooms/{ROOM}/crdts/count", (201, PLACED | {"approval": "ab" * 8, "id": ""}))
    assert "waits for a person: approval abab" in foedus("crdt", "increment", "general", "count", "--as", "robot").out


def test_words_are_json_or_text():
    assert [parse_value(text) for text in ("1", "1.5", "x", '"1"', "null", "[1]")] == [1, "1.5", "x", "1", None, [1]]
    assert encode(parse_value('{"a": 1}')) == encode({"a": 1})


@pytest.mark.usefixtures("general")
def test_set_without_a_value_is_refused(foedus):
    assert foedus("crdt", "set", "general", "board").code == 2
