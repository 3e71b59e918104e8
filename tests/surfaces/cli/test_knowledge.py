import json

import pytest
from msgspec import to_builtins
from msgspec.structs import replace

from foedus.base.base64url import from_base64url, to_base64url
from foedus.base.cbor import decode_as
from foedus.log.event import Act
from foedus.log.knowledge import read_knowledge
from foedus.surfaces.cli.knowledge_files import front_matter, read_all
from foedus.values.knowledge import HistoryView, KnowledgePlaced, ToldView
from tests.surfaces.cli.samples import BANK, EVENT, HOSTILE, ROBOT
from tests.surfaces.cli.test_consent import WAITING
from tests.surfaces.cli.test_speaking import ADA, ada_is_here
from tests.surfaces.packets import PACKET, TASK, VIEW, WHO

__all__ = ["ada_is_here"]
PLACED = KnowledgePlaced(id=EVENT, stream="knowledge:lab.results", seq=1, hlc=[1, 0], kept_from=[])


@pytest.fixture
def knowing(node):
    node.on("GET", "/participants", [ROBOT]).on("POST", "/knowledge/acts:batch", (201, [PLACED]))
    node.on("GET", f"/knowledge/packets/{PACKET}", VIEW).on("GET", f"/tasks/{PACKET}", TASK)
    node.on("GET", "/knowledge/search", [VIEW]).on("GET", "/tasks", {"tasks": [to_builtins(TASK)], "cursor": ""})
    return node


def told(node):
    return [act for body in node.bodies("POST", "/knowledge/acts:batch") for act in body]


def test_an_agent_publishes_by_its_node(foedus, knowing):
    ran = foedus(
        "knowledge", "publish", "lab.results", "Bees", "dance", "--tag", "b", "--tag", "a", "--confidence", "0.5"
    )
    assert ran.code == 0
    (act,) = told(knowing)
    assert (act["kind"], act["domain"], act["as"], act["title"]) == (
        "knowledge.publish",
        "lab.results",
        ROBOT.did,
        "Bees",
    )
    assert (act["content"], act["tags"], act["confidence"]) == ("dance", ["b", "a"], 500_000)


def test_what_peers_will_not_show_is_said(foedus, knowing):
    kept = [{"node": BANK, "name": HOSTILE, "clause": "grant.human_required"}]
    knowing.on(
        "POST", "/knowledge/acts:batch", (201, [to_builtins(replace(PLACED, kept_from=[])) | {"kept_from": kept}])
    )
    out = foedus("knowledge", "publish", "lab", "Bees").out
    assert "grant.human_required" in out
    assert "\x1b" not in out


def test_a_revision_keeps_what_is_not_given(foedus, knowing):
    foedus("knowledge", "revise", PACKET, "Wasps")
    (act,) = told(knowing)
    assert (act["title"], act["content"], act["packet"], act["confidence"]) == ("Wasps", VIEW.content, PACKET, 900_000)
    assert (act["tags"], act["dependencies"], act["data"]["data"]) == (["bees"], VIEW.dependencies, "YSxi")


def test_retract_asks_and_says_why(foedus, knowing):
    assert foedus("knowledge", "retract", PACKET, "wrong", "--yes").code == 0
    assert told(knowing)[0]["reason"] == "wrong"


def test_search_show_and_history(foedus, knowing):
    assert "Bees dance" in foedus("knowledge", "search", "bees", "dance", "--domain", "lab.results").out
    assert knowing.asked[-1].query == {"q": "bees dance", "domain": "lab.results", "limit": "10"}
    shown = foedus("knowledge", "show", PACKET).out
    assert "0.900" in shown
    assert "not here" in shown
    one = ToldView(event=PACKET, kind="knowledge.publish", at=1, hlc=[1, 0], who=WHO, says="Bees dance")
    history = HistoryView(packet=PACKET, told=[one], ground=[], missing=["4b" * 32], is_whole=False)
    knowing.on("GET", f"/knowledge/packets/{PACKET}/history", history)
    ran = foedus("knowledge", "history", PACKET)
    assert "not followed to the end" in ran.out
    assert foedus("knowledge", "history", PACKET, "--json").json == to_builtins(history)


def test_hostile_text_is_inert(foedus, knowing):
    knowing.on("GET", "/knowledge/search", [replace(VIEW, title=HOSTILE, content=HOSTILE)])
    out = foedus("knowledge", "search", "x").out
    assert "\x1b" not in out
    assert "\u202e" not in out


def test_tasks(foedus, knowing):
    assert foedus("task", "offer", "lab.results", "Count", "all", "--lease-hours", "2").code == 0
    assert foedus("task", "claim", PACKET).code == 0
    assert foedus("task", "progress", PACKET, "half", "--done", "50").code == 0
    assert foedus("task", "done", PACKET, "42", "--outcome", "given_up", "--packet", PACKET).code == 0
    offer, claim, progress, done = told(knowing)
    assert (offer["lease"], claim["task"], progress["done"]) == (7_200, PACKET, 500_000)
    assert (done["outcome"], done["result"], done["packets"]) == ("given_up", "42", [PACKET])
    assert "claimed" in foedus("task", "list").out
    assert "0.500" in foedus("task", "show", PACKET).out


# --- files -------------------------------------------------------------------------------------------


def write(folder):
    (folder / "in").mkdir()
    (folder / "ants.md").write_text("---\ntitle: Ants\ntags: [a, 'b']\nconfidence: 0.25\n---\n# Other\nwalk", "utf-8")
    (folder / "in" / "bees.md").write_text("# Bees dance\nThey do.", "utf-8")
    (folder / "wasps.jsonl").write_text(json.dumps({"title": "Wasps", "domain": "zoo", "id": "x"}) + "\n\n", "utf-8")
    (folder / "picture.png").write_bytes(b"\x89PNG")


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path):
    write(tmp_path)
    forms = [found.form for found in read_all(tmp_path, "lab")]
    assert [(form.title, form.domain) for form in forms] == [("Ants", "lab"), ("Bees dance", "lab"), ("Wasps", "zoo")]
    assert (forms[0].tags, forms[0].confidence, forms[0].content) == (["a", "b"], 250_000, "# Other\nwalk")


def test_import_publishes_all_by_domain(foedus, knowing, tmp_path):
    write(tmp_path)
    assert foedus("knowledge", "import", str(tmp_path), "--domain", "lab").code == 0
    assert [[act["title"] for act in body] for body in knowing.bodies("POST", "/knowledge/acts:batch")] == [
        ["Ants", "Bees dance"],
        ["Wasps"],
    ]


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[]",
        b'{"title": ""}',
        b'{"title": "x", "confidence": 2000000}',
        b'{"title": "x", "dependencies": ["zz"]}',
        b'{"title": "x", "data": {"media_type": "a/b", "data": "!"}}',
        b'{"title": "\\ud800"}',
        b"\xff\xfe",
        b'{"title": "x", "content": "' + b"y" * 40_000 + b'"}',
        b"[" * 10_000,
        b"x" * 400_000,
    ],
)
def test_nothing_is_published_where_a_file_is_bad(foedus, knowing, tmp_path, line):
    (tmp_path / "a.jsonl").write_bytes(b'{"title": "good"}\n' + line)
    ran = foedus("knowledge", "import", str(tmp_path), "--domain", "lab")
    assert ran.code == 1
    assert "a.jsonl:2" in ran.err
    assert told(knowing) == []
    assert foedus("knowledge", "import", str(tmp_path), "--domain", "lab", "--skip-bad").code == 0
    assert [act["title"] for act in told(knowing)] == ["good"]


@pytest.mark.usefixtures("ada_is_here")
def test_a_persons_device_signs_here_and_refers_to_what_it_stands_on(foedus, knowing):
    knowing.on("GET", "/participants", [ADA]).on("POST", "/knowledge/acts:signed", (201, [PLACED]))
    assert foedus("knowledge", "publish", "lab.results", "Bees", "--depends", PACKET).code == 0
    (sent,) = knowing.bodies("POST", "/knowledge/acts:signed")
    act = decode_as(from_base64url(sent["acts"][0]["act"]), Act)
    assert (sent["domain"], act.kind, act.author) == ("lab.results", "knowledge.publish", ADA.did)
    assert act.auth == (bytes.fromhex(EVENT),)
    assert act.refs == (bytes.fromhex(PACKET),)
    assert read_knowledge(act.kind, from_base64url(sent["acts"][0]["body"])).title == "Bees"


@pytest.mark.usefixtures("knowing")
def test_a_packet_without_a_domain_is_told(foedus, tmp_path):
    (tmp_path / "a.md").write_text("x", "utf-8")
    assert "names no domain" in foedus("knowledge", "import", str(tmp_path)).err
    assert foedus("knowledge", "import", str(tmp_path / "nowhere")).code == 1


def test_an_export_is_read_back(foedus, knowing, tmp_path):
    knowing.on("GET", "/knowledge/packets", {"packets": [to_builtins(VIEW)], "cursor": ""})
    out = foedus("knowledge", "export").out
    assert out.isascii()
    (tmp_path / "out.jsonl").write_text(out, "utf-8")
    ((_, form, error),) = read_all(tmp_path, "")
    assert error == ""
    assert (form.title, form.domain, form.content, form.confidence) == (
        VIEW.title,
        VIEW.domain,
        VIEW.content,
        VIEW.confidence,
    )
    assert (form.tags, form.dependencies, form.data.data) == (VIEW.tags, VIEW.dependencies, "YSxi")


def test_front_matter_may_be_left_out_or_open():
    assert front_matter("---\nno end") == ({}, "---\nno end")
    assert front_matter("plain") == ({}, "plain")


AGENT = replace(ADA, kind="agent")
ASKED = replace(WAITING, kind="knowledge.publish", arguments={"host": BANK, "domain": "lab"})
NEEDS = (403, {"code": "needs_approval", "message": "no", "remedy": "ask"})


def test_what_waits_for_a_person_is_named_and_with_wait_it_is_published_when_they_allow_it(foedus, knowing):
    waits = replace(PLACED, id="", seq=0, approval=ASKED.id)
    knowing.on("POST", "/knowledge/acts:batch", (201, [waits])).on("GET", f"/approvals/{ASKED.id}", ASKED)
    ran = foedus("knowledge", "publish", "lab", "Bees")
    assert (ran.code, f"waits for a person: approval {ASKED.id}" in ran.out) == (0, True)
    assert f"foedus approval allow {ASKED.id}" in ran.err
    knowing.on("GET", f"/approvals/{ASKED.id}", replace(ASKED, state="done", event=EVENT))
    assert f"published: {EVENT}" in foedus("knowledge", "publish", "lab", "Bees", "--wait", "5").out
    knowing.on("GET", f"/approvals/{ASKED.id}", replace(ASKED, state="denied", reason="not today"))
    ran = foedus("knowledge", "publish", "lab", "Bees", "--wait", "5")
    assert (ran.code, "not today" in ran.err) == (1, True)


@pytest.mark.usefixtures("ada_is_here")
def test_an_agent_with_a_key_of_its_own_signs_what_a_person_allowed(foedus, knowing):
    allowed = replace(ASKED, state="allowed", salt=to_base64url(b"s" * 32), grants=["0a" * 32])
    answers = iter([NEEDS, (201, [PLACED])])
    knowing.on("GET", "/participants", [AGENT]).on("GET", "/grants", [])
    knowing.on("POST", "/knowledge/acts:signed", answers)
    knowing.on("POST", "/knowledge/approvals", (201, ASKED)).on("GET", f"/approvals/{ASKED.id}", allowed)
    assert foedus("knowledge", "publish", "lab", "Bees", "--as", "ada", "--wait", "5").code == 0
    (asked,) = knowing.bodies("POST", "/knowledge/approvals")
    assert (asked["kind"], asked["domain"], asked["as"]) == ("knowledge.publish", "lab", AGENT.did)
    _, signed = knowing.bodies("POST", "/knowledge/acts:signed")
    (act,) = signed["acts"]
    assert act["salt"] == allowed.salt, "hence the digest that a person signed"
    assert decode_as(from_base64url(act["act"]), Act).auth == (bytes.fromhex(EVENT), bytes.fromhex("0a" * 32))
