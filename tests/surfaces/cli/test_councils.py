import base64

import msgspec
from msgspec.structs import replace

from tests.consensus.test_seals import FOUNDING, PROOF, broken
from tests.surfaces.http.fake_councils import BOARD, ENTRY

VIEW = msgspec.to_builtins(BOARD)
DECISION = {"sequence": 4, "position": 0, "outcome": "done", "value": None}


def test_a_council_is_founded_and_shown(foedus, node):
    node.on("POST", "/councils", VIEW).on("GET", "/councils", [VIEW]).on("GET", "/councils/board", VIEW)
    assert foedus("council", "create", "board", "bob", "carol", "dora", "--json").json == VIEW
    assert node.bodies("POST", "/councils") == [{"name": "board", "peers": ["bob", "carol", "dora"], "seal": False}]
    assert "3 decide" in foedus("council", "show", "board").out
    node.on("GET", "/councils/board", VIEW | {"removes": [BOARD.members[0].node]})
    assert "to go" in foedus("council", "show", "board").out
    assert "board" in foedus("council", "list").out
    assert "joined" in foedus("council", "members", "board").out


def test_joining_signs(foedus, node):
    node.on("GET", "/councils/board", VIEW).on("POST", f"/councils/{BOARD.id}/join", VIEW)
    assert foedus("council", "join", "board", "--yes", "--json").json == VIEW


def test_an_update_is_proposed_read_and_listed(foedus, node):
    node.on("POST", "/councils/board/updates", DECISION).on("GET", "/councils/board/values", DECISION | {"value": "dg"})
    node.on("GET", "/councils/board/updates", [msgspec.to_builtins(ENTRY)])
    assert foedus("council", "propose", "board", "k", "v", "--expect", "w", "--json").json == DECISION
    assert node.bodies("POST", "/councils/board/updates") == [{"key": "k", "value": "dg", "if_value": ["dw"], "as": ""}]
    assert foedus("council", "get", "board", "k").out == "v\n"
    assert "k = v" in foedus("council", "log", "board").out


def test_the_log_follows_a_running_node_until_it_ends(foedus, node):
    node.on("STREAM", "/councils/board/events", b"id: 1.0\ndata: " + msgspec.json.encode(ENTRY) + b"\n\n")
    ran = foedus("council", "log", "board", "-f", "--after", "0")
    assert "1 0  done  k = v" in ran.out
    assert ran.code == 1, "there is no council to ask any more"
    assert node.heads[0]["Last-Event-ID"] == "0"


def test_what_is_no_proof_proves_nothing(foedus, tmp_path):
    (tmp_path / "file").write_bytes(base64.b64decode("AAAA"))
    ran = foedus("council", "verify", str(tmp_path / "file"), "--json")
    assert ran.code == 1
    assert ran.error["code"] == "proof_failed"


def test_a_proof_says_by_how_many_it_is_sealed_and_holds_by_seals_alone(foedus, tmp_path):
    whole, bare, broken_votes = (tmp_path / name for name in ("whole", "bare", "broken"))
    whole.write_bytes(PROOF.encode())
    bare.write_bytes(replace(PROOF, sealed=None).encode())
    broken_votes.write_bytes(broken(PROOF).encode())
    ran = foedus("council", "verify", str(whole))
    assert "3 of its 4 members signed that, sealed by 3 members" in ran.out
    assert "not sealed yet: take the proof again once place 20" in foedus("council", "verify", str(bare)).out
    assert foedus("council", "verify", str(bare), "--seals", "--json").error["message"] == "it is not sealed"
    assert foedus("council", "verify", str(broken_votes)).code == 1
    assert "sealed by 3 members of its 4" in foedus("council", "verify", str(broken_votes), "--seals").out
    shown = foedus("council", "verify", str(broken_votes), "--seals", "--council", FOUNDING.id.hex(), "--json").json
    assert (len(shown["sealed_by"]), shown["signers"]) == (3, [])


def test_a_council_is_founded_to_seal_and_shows_how_far_it_did(foedus, node):
    sealing = VIEW | {"sealed": 64}
    node.on("POST", "/councils", sealing)
    assert "up to place 64" in foedus("council", "create", "board", "bob", "carol", "dora", "--seal").out
    assert node.bodies("POST", "/councils")[0]["seal"] is True
