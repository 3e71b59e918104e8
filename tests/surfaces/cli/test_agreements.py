import json

import pytest
from msgspec import to_builtins
from msgspec.structs import replace

from foedus.adapters.device_folder import DeviceFolder
from foedus.base.base64url import from_base64url
from foedus.base.ids import sha256
from foedus.crypto import ed25519
from foedus.crypto.labels import signed_bytes
from foedus.identity.did import did_of
from foedus.values.agreements import DraftView
from foedus.values.node import DeviceView, ParticipantView
from tests.surfaces.cli.samples import BANK, GENERAL, OWN, ROOM
from tests.surfaces.http.fake_agreements import CHANGE, PROPOSAL, PROPOSED, STARTER, VIEW

FOUND = replace(VIEW, peer=BANK, peer_name="bigbank")
DOCUMENT = "AAEC"
DRAFTED = DraftView(document=DOCUMENT, id=sha256(b"\0\1\2").hex(), changes=[CHANGE], signers=[])


@pytest.fixture
def bank(node):
    node.on("GET", "/agreements/bigbank", FOUND).on("GET", f"/agreements/{BANK}", FOUND)
    node.on("POST", f"/agreements/{BANK}/draft", DRAFTED)
    for peer in (BANK, "bigbank"):
        for verb in ("propose", "sign", "decline", "withdraw", "terminate"):
            node.on("POST", f"/agreements/{peer}/{verb}", FOUND)
        node.on("GET", f"/agreements/{peer}/history", [FOUND.in_force, PROPOSAL])
        node.on("GET", f"/agreements/{peer}/diff", [CHANGE])
    return node.on("GET", "/rooms/plans", GENERAL)


@pytest.mark.usefixtures("bank")
def test_what_is_agreed_is_told_clause_by_clause(foedus):
    ran = foedus("agreement", "show", "bigbank")
    assert "every room that one side shares" in ran.out
    assert "waits for you" in ran.out
    assert PROPOSED in ran.out
    assert foedus("agreement", "show", "bigbank", "--json").json == to_builtins(FOUND)


def test_a_proposal_shows_what_changes_and_asks(foedus, bank, answers_typed):
    answers_typed("y\n")
    ran = foedus("agreement", "propose", "bigbank", "--their-rate", "60", "--humans", "named", "--room", "plans")
    assert ran.code == 0, ran.err
    assert ran.err.index("60 events a minute") < ran.err.index("Propose this?")
    assert bank.bodies("POST", f"/agreements/{BANK}/draft") == [
        {"rooms": [ROOM], "humans": "named", "theirs": {"rate": 60}}
    ]
    assert bank.bodies("POST", f"/agreements/{BANK}/propose") == [{"document": DOCUMENT, "answers": "", "human": None}]


@pytest.mark.parametrize(
    ("options", "terms"),
    [
        (["--room", "shared"], {"rooms": "shared"}),
        (["--we-send", "room", "--we-send", "council"], {"ours": {"directions": ["room", "council"]}}),
        (["--they-send", "nothing"], {"theirs": {"directions": []}}),
        (["--expires", "never", "--retention-days", "30"], {"expires": 0, "retention_days": 30}),
        (["--expires", "2030-01-02"], {"expires": 1_893_542_400_000_000}),
        (["--our-rate", "0"], {"ours": {"rate": 0}}),
    ],
    ids=str,
)
def test_flags_become_terms(foedus, bank, options, terms):
    assert foedus("agreement", "propose", "bigbank", "--yes", *options).code == 0
    assert bank.bodies("POST", f"/agreements/{BANK}/draft") == [terms]


def test_terms_are_read_from_a_file_and_flags_come_over_them(foedus, bank, tmp_path):
    toml = tmp_path / "terms.toml"
    toml.write_text('humans = "named"\nexpires = 2030-01-02T00:00:00Z\n[ours]\nrate = 5\n')
    assert foedus("agreement", "propose", "bigbank", "--yes", "--file", str(toml), "--our-rate", "7").code == 0
    plain = tmp_path / "terms.json"
    plain.write_text(json.dumps({"approvals": {"/foedus/query/ask": 2}, "expires": "never"}))
    assert foedus("agreement", "propose", "bigbank", "--yes", "--file", str(plain)).code == 0
    assert bank.bodies("POST", f"/agreements/{BANK}/draft") == [
        {"humans": "named", "expires": 1_893_542_400_000_000, "ours": {"rate": 7}},
        {"approvals": {"/foedus/query/ask": 2}, "expires": 0},
    ]
    toml.write_text("humans = ")
    assert foedus("agreement", "propose", "bigbank", "--yes", "--file", str(toml)).code == 2


@pytest.mark.parametrize("written", ["soon", "90x", "xd"])
@pytest.mark.usefixtures("bank")
def test_what_is_no_time_is_refused(foedus, written):
    ran = foedus("agreement", "propose", "bigbank", "--yes", "--expires", written)
    assert ran.code == 2
    assert "2027-01-31" in ran.err


def test_a_counter_names_what_it_answers(foedus, bank):
    assert foedus("agreement", "counter", "bigbank", PROPOSED[:8], "--humans", "named", "--yes").code == 0
    assert bank.bodies("POST", f"/agreements/{BANK}/propose")[0]["answers"] == PROPOSED
    ran = foedus("agreement", "counter", "bigbank", "0000", "--humans", "named", "--yes", "--json")
    assert ran.error["code"] == "no_proposal"


def test_signing_shows_what_changes_and_names_the_whole_document(foedus, bank, answers_typed):
    answers_typed("y\n")
    ran = foedus("agreement", "sign", "bigbank")
    assert ran.err.index("60 events a minute") < ran.err.index("Sign it?")
    assert bank.bodies("POST", f"/agreements/{BANK}/sign") == [{"agreement": PROPOSED, "human": None}]


def test_a_named_human_signs_the_very_bytes_on_their_device(foedus, bank, tmp_path, monkeypatch):
    folder = DeviceFolder(tmp_path / "device")
    monkeypatch.setenv("FOEDUS_DEVICE", str(tmp_path / "device"))
    key = ed25519.Ed25519Key(bytes(32))
    did = did_of(key.public)
    folder.add("Ada", did, bytes.fromhex(OWN), "agent", key.seed, None)
    device = DeviceView(key=key.public.hex(), name="Ada", enrolment="0f" * 32, revoked=False)
    ada = ParticipantView(
        did=did,
        name="Ada",
        kind="human",
        custody="device",
        node=OWN,
        node_name="north",
        is_local=True,
        devices=[device],
    )
    bank.on("GET", "/participants", [ada])
    bank.on("POST", f"/agreements/{BANK}/draft", replace(DRAFTED, signers=[did]))
    assert foedus("agreement", "propose", "bigbank", "--yes", "--humans", "named").code == 0
    human = bank.bodies("POST", f"/agreements/{BANK}/propose")[0]["human"]
    assert (human["did"], human["device"]) == (did, key.public.hex())
    signature = from_base64url(human["signature"])
    assert ed25519.verify(key.public, signed_bytes("agreement", b"\0\1\2"), signature)
    bank.on("POST", f"/agreements/{BANK}/draft", replace(DRAFTED, id=STARTER, signers=[did]))
    ran = foedus("agreement", "propose", "bigbank", "--yes", "--humans", "named", "--json")
    assert ran.error["code"] == "bad_document"
    bank.on("GET", "/participants", [])
    bank.on("POST", f"/agreements/{BANK}/draft", replace(DRAFTED, signers=[did]))
    ran = foedus("agreement", "propose", "bigbank", "--yes", "--humans", "named", "--json")
    assert ran.error["code"] == "signer_needed"


def test_no_and_the_end_are_told(foedus, bank, answers_typed):
    assert foedus("agreement", "decline", "bigbank").code == 0
    assert foedus("agreement", "withdraw", "bigbank", PROPOSED).code == 0
    assert bank.bodies("POST", "/agreements/bigbank/withdraw") == [{"agreement": PROPOSED}]
    answers_typed("y\n")
    ran = foedus("agreement", "terminate", "bigbank", "--reason", "done")
    assert f"End the agreement with bigbank ({BANK})?" in ran.err
    assert bank.bodies("POST", f"/agreements/{BANK}/terminate") == [{"reason": "done"}]


@pytest.mark.usefixtures("bank")
def test_differences_and_history_are_read(foedus):
    ran = foedus("agreement", "diff", "bigbank", "1", "2")
    assert "rates (us): no limit becomes 60 events a minute" in ran.out
    assert "foedus agreement history" in ran.err, "two versions by name leave nothing to sign"
    assert "foedus agreement sign" in foedus("agreement", "diff", "bigbank").err
    listed = foedus("agreement", "history", "bigbank").out
    assert "proposed" in listed
    assert "rates" in listed
    assert foedus("agreement", "history", "bigbank", "--json").json == to_builtins([FOUND.in_force, PROPOSAL])
