import pytest
from msgspec import to_builtins
from msgspec.structs import replace

from foedus.surfaces.cli.text import DASH
from tests.surfaces.cli.samples import BANK, CONNECTED, HOSTILE, PEER, PROBE

CLASH = replace(PEER, name_clash=["0d" * 32])


@pytest.fixture
def bank(node):
    node.on("GET", f"/peers/{BANK}", PEER).on("GET", "/peers/bigbank", PEER)
    node.on("POST", "/peers/probe", PROBE).on("POST", "/peers/request", replace(PEER, state="requested"))
    for verb in ("accept", "decline", "ignore", "tier", "pause", "resume", "follow"):
        node.on("POST", f"/peers/{BANK}/{verb}", CONNECTED).on("POST", f"/peers/bigbank/{verb}", CONNECTED)
    return node.on("DELETE", f"/peers/{BANK}", replace(CONNECTED, state="disconnected"))


def test_a_request_shows_the_whole_id_and_asks(foedus, bank, answers_typed):
    answers_typed("y\n")
    ran = foedus("peer", "request", PROBE.url, "--note", "hello", "--tier", "sandbox")
    assert ran.code == 0
    assert ran.err.index(BANK) < ran.err.index("Is this the node you mean?")
    assert bank.bodies("POST", "/peers/request") == [
        {"url": PROBE.url, "expect": BANK, "note": "hello", "tier": "SANDBOX"}
    ]


def test_a_no_asks_for_nothing(foedus, bank, answers_typed):
    answers_typed("\n")
    ran = foedus("peer", "request", PROBE.url)
    assert ran.code == 1
    assert "error[cancelled]" in ran.err
    assert bank.bodies("POST", "/peers/request") == []


def test_the_expected_id_answers_the_question(foedus, bank):
    ran = foedus("peer", "request", PROBE.url, "--expect", BANK, "--json")
    assert ran.json == to_builtins(replace(PEER, state="requested"))
    wrong = foedus("peer", "request", PROBE.url, "--expect", "0f" * 32, "--json")
    assert wrong.error["code"] == "wrong_node"
    assert len(bank.bodies("POST", "/peers/request")) == 1


def test_who_compared_nothing_is_asked_once_the_other_has_accepted(foedus, bank):
    ran = foedus("peer", "request", PROBE.url, "--yes")
    assert bank.bodies("POST", "/peers/request")[0]["expect"] == ""
    assert f"foedus peer confirm {BANK[:12]}" in ran.err
    bank.on("POST", f"/peers/{BANK}/confirm", replace(PEER, state="answered"))
    assert foedus("peer", "confirm", "bigbank").code == 2, "nobody is here to compare"
    shown = foedus("peer", "confirm", "bigbank", "--yes")
    assert shown.code == 0
    assert BANK in shown.err
    assert len(bank.bodies("POST", f"/peers/{BANK}/confirm")) == 1


def test_accepting_without_a_tier_gives_what_the_policy_says(foedus, bank, home):
    home.policy_path.write_text('[federation.policy]\ndefault_tier = "SANDBOX"\n', encoding="utf-8")
    bank.on("POST", f"/peers/{BANK}/accept", PEER)
    foedus("peer", "accept", "bigbank", "--yes")
    foedus("peer", "accept", "bigbank", "--yes", "--tier", "core")
    assert bank.bodies("POST", f"/peers/{BANK}/accept") == [{"tier": "SANDBOX"}, {"tier": "CORE"}]


@pytest.mark.parametrize(
    ("command", "flag"),
    [
        (["peer", "request", PROBE.url], "--expect"),
        (["peer", "accept", "bigbank"], "--yes"),
        (["peer", "ignore", "bigbank"], "--yes"),
        (["peer", "disconnect", "bigbank"], "--yes"),
    ],
    ids=str,
)
def test_where_nobody_can_answer_the_flag_is_named(foedus, bank, command, flag):
    ran = foedus(*command)
    assert ran.code == 2
    assert flag in ran.err
    assert {asked.method for asked in bank.asked} <= {"GET", "POST"}
    assert all(asked.method == "GET" or asked.path == "/peers/probe" for asked in bank.asked)


def test_pending_shows_who_asks_and_warns_of_a_known_name(foedus, node):
    node.on("GET", "/peers/pending", [CLASH])
    ran = foedus("peer", "pending")
    for told in (BANK, "bigbank", "we met on Monday", "https://bank.example", "192.0.2.7", "20"):
        assert told in ran.out
    assert "a peer you know uses this name, or one like it: " + "0d" * 32 in ran.out
    assert "foedus peer accept" in ran.err
    assert foedus("peer", "pending", "--json").json == [to_builtins(CLASH)]


def test_pending_with_nothing(foedus, node):
    node.on("GET", "/peers/pending", [])
    assert foedus("peer", "pending").out == "no request waits\n"


def test_accept_shows_the_whole_id_and_the_clash_before_it_asks(foedus, bank, answers_typed):
    bank.on("GET", "/peers/bigbank", CLASH)
    answers_typed("yes\n")
    ran = foedus("peer", "accept", "bigbank")
    assert ran.err.index(BANK) < ran.err.index("a peer you know uses this name") < ran.err.index("Accept it as CORE?")
    assert bank.bodies("POST", f"/peers/{BANK}/accept") == [{"tier": "CORE"}]


def test_what_is_accepted_is_the_whole_id_that_was_shown(foedus, bank):
    ran = foedus("peer", "accept", "bigbank", "--tier", "EXTERNAL", "--yes", "--json")
    assert ran.json == to_builtins(CONNECTED)
    assert bank.bodies("POST", f"/peers/{BANK}/accept") == [{"tier": "EXTERNAL"}]


def test_a_hostile_name_cannot_rewrite_the_question(foedus, bank, answers_typed):
    bank.on("GET", "/peers/bigbank", replace(PEER, name=HOSTILE, note="\x1b[2Kid  " + "00" * 32))
    answers_typed("n\n")
    ran = foedus("peer", "accept", "bigbank")
    assert not set(ran.err) & set("\x1b\u202e\r\x9b")
    assert ran.err.splitlines()[0].endswith(BANK)
    assert sum(line.startswith("id ") for line in ran.err.splitlines()) == 1


@pytest.mark.usefixtures("bank")
@pytest.mark.parametrize("verb", ["decline", "pause", "resume"])
def test_what_can_be_undone_is_not_asked(foedus, verb):
    assert foedus("peer", verb, "bigbank", "--json").json == to_builtins(CONNECTED)


@pytest.mark.usefixtures("bank")
def test_ignore_and_disconnect_with_yes(foedus):
    assert foedus("peer", "ignore", "bigbank", "--yes", "--json").json["node"] == BANK
    assert foedus("peer", "disconnect", "bigbank", "-y", "--json").json["state"] == "disconnected"


def test_tier_takes_any_case(foedus, bank):
    assert foedus("peer", "tier", "bigbank", "external").code == 0
    assert bank.bodies("POST", "/peers/bigbank/tier") == [{"tier": "EXTERNAL"}]


def test_trust_and_untrust(foedus, node):
    node.on("POST", "/trust", (204, b"")).on("DELETE", "/trust", (204, b""))
    assert foedus("peer", "trust", "11" * 32, "--tier", "core", "--json").json == {"key": "11" * 32, "tier": "CORE"}
    assert node.asked[-1].body == {"key": "11" * 32, "tier": "CORE"}
    assert foedus("peer", "untrust", "11" * 32, "--json").json == {"key": "11" * 32, "tier": None}
    assert node.asked[-1].query == {"key": "11" * 32}
    assert foedus("peer", "trust", "11" * 32).code == 2


def test_list(foedus, node):
    node.on("GET", "/peers", [CONNECTED])
    ran = foedus("peer", "list")
    head, row = ran.out.splitlines()
    assert head.split() == ["peer", "id", "state", "gives", "gets", "link", "lag", "last", "seen"]
    assert row.split() == ['"bigbank"', BANK[:12], "connected", "CORE", "CORE", "link", "0", DASH]
    assert foedus("peer", "list", "--json").json == [to_builtins(CONNECTED)]
    node.on("GET", "/peers", [])
    assert foedus("peer", "list").out == "no peers yet\n"


def test_show(foedus, node):
    node.on("GET", "/peers/big bank/..", replace(CONNECTED, refused={"too_large": 3}, clock_offset_us=-1500))
    ran = foedus("peer", "show", "big bank/..")
    assert "too_large 3" in ran.out
    assert "-1.5 ms from ours" in ran.out


def test_follow_names_the_new_epoch_and_asks(foedus, bank, answers_typed):
    assert foedus("peer", "follow", "bigbank", "--json").error["code"] == "nothing_to_follow"
    bank.on("GET", "/peers/bigbank", replace(CONNECTED, held_epoch="0f" * 32))
    answers_typed("y\n")
    ran = foedus("peer", "follow", "bigbank")
    assert ran.code == 0
    assert "0f" * 32 in ran.err


def test_a_name_of_ones_own_is_shown_in_place_of_the_claim(foedus, node):
    node.on("GET", "/peers", [replace(CONNECTED, known_as="the bank")])
    assert foedus("peer", "list").out.splitlines()[1].startswith("the bank ")
    node.on("GET", f"/peers/{BANK}", replace(CONNECTED, known_as="the bank"))
    shown = foedus("peer", "show", BANK).out
    assert "the bank" in shown
    assert "bigbank" in shown


def test_a_claim_that_looks_like_a_known_name_is_marked(foedus, node):
    impostor = replace(CONNECTED, name="B1gBank", looks_like=["BigBank"])
    node.on("GET", "/peers", [impostor]).on("GET", f"/peers/{BANK}", impostor)
    assert '"B1gBank" ✗ looks like BigBank' in foedus("peer", "list").out
    assert "looks like a name that you gave: BigBank" in foedus("peer", "show", BANK).out


def test_a_claim_cannot_end_its_quotes(foedus, node):
    node.on("GET", "/peers", [replace(CONNECTED, name='" (mine) "')])
    assert "\"' (mine) '\"" in foedus("peer", "list").out
