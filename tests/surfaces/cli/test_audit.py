"""`foedus audit` and `foedus proof`, on the files of a node that ran."""

import json

import msgspec

from foedus.surfaces.cli.audit import row_line
from foedus.surfaces.cli.peers import reputation_lines
from foedus.values.audit import AuditRowView
from tests.node.homes import run, spoken
from tests.surfaces.cli.samples import PEER


def test_verify_export_and_tail_need_no_running_node(foedus, home, tmp_path):
    run(spoken(home, "hello"))
    assert foedus("audit", "tail").out.count("accepted") >= 2
    tail = foedus("audit", "tail", "--limit", "1", "--json").json
    assert set(tail) == set(AuditRowView.__struct_fields__)
    verified = foedus("audit", "verify", "--json")
    assert verified.code == 0
    assert (verified.json["ok"], verified.json["unsealed"]) == (True, 0)
    exported = foedus("audit", "export").out
    rows = [json.loads(line) for line in exported.splitlines()]
    assert [row["n"] for row in rows if row["type"] == "row"] == list(range(1, tail["n"] + 1))
    file = tmp_path / "shown.jsonl"
    file.write_text(exported.replace('"accepted"', '"rejected"', 1))
    found = foedus("audit", "verify", str(file))
    assert found.code == 1
    assert "was edited" in found.out
    assert foedus("audit", "verify", str(file), "--node", "00" * 32).code == 1


def test_what_is_not_there_is_said(foedus, home, tmp_path):
    assert "there is no audit log" in foedus("audit", "verify").err
    assert "there is no audit log" in foedus("audit", "export").err
    assert foedus("audit", "tail").out == ""
    assert foedus("proof", "export", "00" * 32).code == 1
    assert foedus("proof", "verify", str(tmp_path / "none")).code == 1
    file = tmp_path / "file"
    file.write_bytes(b"nothing")
    assert "the file does not hold" in foedus("proof", "verify", str(file)).err
    assert home.audit.exists() is False


def test_a_row_is_one_line_that_says_who_what_and_why():
    row = AuditRowView(
        n=7,
        at=0,
        until=0,
        actor="ab" * 32,
        act="event",
        subject="node",
        rule="invalid_signature",
        outcome="refused",
        times=12,
        first=0,
        last=0,
        digest="",
        aggregated=True,
        hash="",
        cursor="7",
    )
    line = "".join(part if isinstance(part, str) else part[0] for part in row_line(row))
    assert "refused (invalid_signature)  event 12 times  abababababab  node (aggregated)" in line


def test_a_reputation_names_the_rows_behind_it():
    lines = list(reputation_lines(PEER))
    assert lines[0][1][0] == "1.000"


def test_tail_follows_a_running_node_until_it_ends(foedus, node):
    row = AuditRowView(
        n=1, at=0, until=0, actor="operator", act="operator", subject="POST /rooms", rule="", outcome="done",
        times=1, first=0, last=0, digest="", aggregated=False, hash="", cursor="1",
    )  # fmt: skip
    node.on("STREAM", "/audit", b"id: 1\ndata: " + msgspec.json.encode(row) + b"\n\n")
    ran = foedus("audit", "tail", "-f")
    assert "done  operator  operator  POST /rooms" in ran.out
    assert ran.code == 1, "there is no /audit to ask any more"
    assert node.heads[0]["Last-Event-ID"] == "0"
