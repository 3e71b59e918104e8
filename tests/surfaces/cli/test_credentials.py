import pytest

from tests.surfaces.cli.samples import BANK, CONNECTED, ELSEWHERE

KEY = "ab" * 32
GUILD = "did:key:z6MkGuildGuildGuild"
VIEW = {
    "key": KEY,
    "id": "urn:uuid:1",
    "role": "issued",
    "types": ["Engineer"],
    "issuer": GUILD,
    "issuer_known_as": "the guild",
    "subject": ELSEWHERE.did,
    "subject_known_as": "",
    "valid_from": 1_700_000_000_000_000,
    "valid_until": None,
    "revoked": False,
    "claims": {"since": 2019},
    "document": '{\n  "id": "urn:uuid:1"\n}\n',
}


@pytest.fixture
def keeping(node):
    node.on("GET", "/participants", [ELSEWHERE]).on("GET", "/credentials", [VIEW, VIEW | {"revoked": True}])
    node.on("POST", "/credentials/issue", VIEW).on("POST", "/credentials", VIEW).on("GET", f"/credentials/{KEY}", VIEW)
    return node.on("POST", f"/credentials/{KEY}/revoke", VIEW)


def test_the_node_issues_and_the_document_can_be_piped_on(foedus, keeping):
    ran = foedus("credential", "issue", "bob", "Engineer", "since=2019", "role=team lead", "--days", "0", "--yes")
    assert ran.out == VIEW["document"]
    (body,) = keeping.bodies("POST", "/credentials/issue")
    assert body == {
        "type": "Engineer",
        "subject": ELSEWHERE.did,
        "claims": '{"since": 2019, "role": "team lead"}',
        "valid_until": None,
    }


def test_a_vouch_may_be_for_a_peer(foedus, keeping):
    keeping.on("GET", "/participants", []).on("GET", "/peers/bank", {**_plain(CONNECTED), "did": GUILD})
    assert foedus("vouch", "bank", "reliable", "--yes", "--json").json == VIEW
    (body,) = keeping.bodies("POST", "/credentials/issue")
    assert (body["type"], body["subject"], body["claims"]) == ("FoedusVouch", GUILD, '{"statement": "reliable"}')
    assert body["valid_until"] > 1_700_000_000_000_000
    keeping.on("GET", "/peers/bank", CONNECTED)
    assert foedus("vouch", "bank", "--yes", "--json").error["code"] == "not_found"


def _plain(view):
    return {name: getattr(view, name) for name in view.__struct_fields__}


def test_a_claim_without_a_name_is_refused(foedus, keeping):
    assert foedus("credential", "issue", "bob", "Engineer", "since", "--json").error["code"] == "bad_claim"
    assert keeping.bodies("POST", "/credentials/issue") == []


def test_lists_show_who_and_what_is_revoked(foedus, keeping):
    head, good, revoked = foedus("credential", "list").out.splitlines()
    assert head.split() == ["key", "type", "issuer", "subject", "until"]
    assert good.split()[:4] == [KEY[:12], "issued", "Engineer", "the"]
    assert "z6MkGuildGui" in good
    assert revoked.endswith("revoked")
    assert foedus("credential", "show", KEY).out == VIEW["document"]
    keeping.on("GET", "/credentials", []).on("GET", f"/credentials/{KEY}", VIEW | {"document": ""})
    assert foedus("credential", "list").out == "no credentials yet\n"
    assert "since" in foedus("credential", "show", KEY).out


def test_what_is_held_comes_from_a_file_and_goes_when_told(foedus, keeping, tmp_path):
    file = tmp_path / "credential.json"
    file.write_text("{}")
    keeping.on("DELETE", f"/credentials/{KEY}", b"")
    assert foedus("credential", "hold", file, "--json").json == VIEW
    assert keeping.bodies("POST", "/credentials") == [{"document": "{}"}]
    assert foedus("credential", "forget", KEY, "--yes").out == f"no longer held: {KEY}\n"
    assert foedus("credential", "forget", KEY).code == 2


def test_verifying_says_whether_its_subject_showed_it(foedus, keeping, tmp_path):
    file = tmp_path / "shown.json"
    file.write_text("x" * 100_000)
    said = {name: VIEW[name] for name in VIEW if name not in {"key", "role", "revoked", "document"}}
    keeping.on("POST", "/credentials/verify", {"holder": ELSEWHERE.did, "holder_known_as": "", "credentials": [said]})
    out = foedus("credential", "verify", file, "--status", file, "--challenge", "c", "--domain", BANK).out
    assert out.startswith("✓ shown by its subject")
    assert "the guild" in out
    (body,) = keeping.bodies("POST", "/credentials/verify")
    assert body == {"document": "x" * 100_000, "status_lists": ["x" * 100_000], "challenge": "c", "domain": BANK}
    keeping.on("POST", "/credentials/verify", {"holder": "", "holder_known_as": "", "credentials": [said]})
    assert "nobody proved to be its subject" in foedus("credential", "verify", file).out


def test_a_refusal_is_an_exit_code_and_a_reason(foedus, keeping, tmp_path):
    file = tmp_path / "shown.json"
    file.write_text("{}")
    refused = {"code": "credential_revoked", "message": "it was revoked", "remedy": "do not rely on it"}
    keeping.on("POST", "/credentials/verify", (400, refused))
    ran = foedus("credential", "verify", file, "--json")
    assert (ran.code, ran.error["code"]) == (1, "credential_revoked")


def test_revoking_asks_first(foedus, keeping):
    assert foedus("credential", "revoke", KEY).code == 2
    assert foedus("credential", "revoke", KEY, "--yes").out == f"revoked: {KEY}\n"
    assert keeping.bodies("POST", f"/credentials/{KEY}/revoke") == [{}]


def test_issuers_are_believed_per_type(foedus, node):
    belief = {"issuer": GUILD, "issuer_known_as": "", "type": "Engineer"}
    node.on("POST", "/credentials/issuers", belief).on("GET", "/credentials/issuers", [belief])
    node.on("DELETE", f"/credentials/issuers/{GUILD}/Engineer", b"")
    assert foedus("credential", "trust", GUILD, "Engineer", "--json").json == belief
    assert foedus("credential", "issuers").out.splitlines()[1].split() == ["Engineer", "–", GUILD]  # noqa: RUF001
    assert foedus("credential", "untrust", GUILD, "Engineer").out == f"no longer believed in Engineer: {GUILD}\n"
    node.on("GET", "/credentials/issuers", [])
    assert foedus("credential", "issuers").out == "nobody is believed yet\n"


def test_a_question_names_the_command_that_answers_it(foedus, node):
    node.on("POST", "/credentials/challenge", {"challenge": "c", "domain": "d", "expires": 1})
    ran = foedus("credential", "challenge")
    assert ran.out.split() == ["challenge", "c", "domain", "d"]
    assert "--challenge c --domain d" in ran.err
