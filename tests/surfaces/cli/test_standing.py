"""`foedus standing` and `foedus explain`, against a node that answers."""

import pytest
from msgspec import to_builtins
from msgspec.structs import replace

from foedus.values.standing import ExplainView, LayerView, StandingView
from tests.surfaces.cli.samples import OWN

ADA = StandingView(
    did="did:key:zAda",
    name="ada",
    node=OWN,
    node_name="north",
    is_local=False,
    standing=4,
    standing_name="normal",
    rights=["take_part"],
    proposed=None,
    since=1_700_000_000_000_000,
    breach="equivocation",
    acts=3,
    missing=["days", "acts"],
    known_as="ada",
    node_known_as="north",
)
LAYERS = [
    LayerView(layer="agreement", verdict="allows", clause="", presets={"tier": "CORE"}, words="it allows that"),
    LayerView(layer="grant", verdict="refuses", clause="human_required", presets={}, words="no chain of grants"),
    LayerView(layer="room", verdict="allows", clause="", presets={"role": "agent 300"}, words="allowed"),
]
REFUSED = ExplainView(
    who="did:key:zAda",
    name="ada",
    node=OWN,
    node_name="north",
    is_local=False,
    act="message.text",
    room="ab" * 32,
    event="",
    allowed=False,
    layer="grant",
    code="grant.human_required",
    layers=LAYERS,
)


@pytest.fixture
def told(node):
    node.on("GET", "/standings", [ADA]).on("GET", "/standings/ada", ADA).on("GET", "/explain", REFUSED)
    node.on("POST", "/standings/ada/propose", replace(ADA, proposed=3)).on(
        "POST", "/standings/ada/confirm", replace(ADA, standing=3)
    )
    return node


def test_list_and_show(foedus, told):
    assert foedus("standing", "list", "--json").json == [to_builtins(ADA)]
    assert foedus("standing", "list").out.splitlines()[1].split() == ["ada", "north", "4", "normal"]
    shown = foedus("standing", "show", "ada").out
    for words in ("4 normal", "take part", "more days without a breach and more accepted acts", "equivocation"):
        assert words in shown
    told.on("GET", "/standings", [])
    assert foedus("standing", "list").out == "no participants yet\n"


def test_a_step_is_proposed_and_confirmed(foedus, told):
    assert "3" in foedus("standing", "propose", "ada").out
    assert told.asked[-1].body == {"to": None}
    foedus("standing", "propose", "ada", "1")
    assert told.asked[-1].body == {"to": 1}
    assert foedus("standing", "confirm", "ada", "--yes", "--json").json == to_builtins(replace(ADA, standing=3))


def test_falling_and_confirming_ask(foedus, told):
    told.on("GET", "/standings/ada", replace(ADA, standing=2))
    for command in (["propose", "ada", "4"], ["confirm", "ada"]):
        assert foedus("standing", *command).code == 2
    assert all(asked.method == "GET" for asked in told.asked)


@pytest.mark.usefixtures("told")
def test_explain_prints_every_layer(foedus):
    assert foedus("explain", "ada", "message.text", "plans", "--json").json == to_builtins(REFUSED)
    lines = foedus("explain", "ada", "message.text", "plans").out.splitlines()
    assert lines[0] == "ada at north, message.text: refused: grant.human_required"
    assert [line.split()[0] for line in lines[1:]] == ["agreement", "grant", "room"]
    assert "(human_required)" in lines[2]
    assert "[role: agent 300]" in lines[3]
