import pytest
from msgspec import to_builtins
from msgspec.structs import replace

from foedus.adapters.device_folder import DeviceFolder
from foedus.base.base64url import from_base64url
from foedus.base.cbor import decode, decode_as
from foedus.crypto.ed25519 import Ed25519Key, verify
from foedus.crypto.sealed import LEAST
from foedus.identity.did import did_of
from foedus.log.bodies import DeviceEnrol
from foedus.log.event import Act, act_signing_bytes
from foedus.values.node import DeviceView
from tests.surfaces.cli.samples import ELSEWHERE, EPOCH, EVENT, OWN, PLACED, ROBOT


@pytest.fixture
def folder(tmp_path):
    return DeviceFolder(tmp_path / "device", cost=LEAST)


@pytest.fixture
def enrolling(node):
    """A node that takes an enrolment and then shows the participant."""
    placed = []

    class Answers(dict):
        def get(self, asked, default=None):
            method, path = asked
            if method == "POST" and path.endswith("/acts"):
                placed.append(path.split("/")[2])
                return (201, PLACED)
            if asked == ("GET", "/participants"):
                return [replace(ROBOT, did=did, name="ada", kind="human", custody="device") for did in placed]
            return super().get(asked, default)

    node.answers = Answers(node.answers)
    return node


def test_a_person_gets_a_sealed_key_in_their_own_folder_and_enrols_it(foedus, enrolling, folder, monkeypatch):
    monkeypatch.setenv("FOEDUS_PASSPHRASE", "correct horse")
    ran = foedus("participant", "add", "ada", "--kind", "human", "--json")
    (entry,) = folder.list()
    assert ran.code == 0
    assert ran.json["did"] == entry.did
    assert (entry.name, entry.kind, entry.sealed, entry.node.hex()) == ("ada", "human", True, OWN)
    (sent,) = enrolling.bodies("POST", f"/participants/{entry.did}/acts")
    act = decode_as(from_base64url(sent["act"]), Act)
    body = decode_as(from_base64url(sent["body"]), DeviceEnrol)
    assert (act.kind, act.author, act.auth) == ("device.enrol", entry.did, ())
    assert body == DeviceEnrol(entry.did, bytes.fromhex(OWN), "human", "ada", "device", entry.public, None, None)
    signed = act_signing_bytes(act, bytes.fromhex(EPOCH), f"participant:{entry.did}")
    assert verify(entry.public, signed, from_base64url(sent["asig"]))
    assert folder.open("ada", "correct horse").public == entry.public


@pytest.mark.usefixtures("enrolling")
def test_the_passphrase_is_asked_for_twice(foedus, folder, answers_typed, monkeypatch):
    answers_typed()
    typed = iter(["one", "two", "same", "same"])
    monkeypatch.setattr("getpass.getpass", lambda *_, **__: next(typed))
    assert "the two passphrases differ" in foedus("participant", "add", "ada", "--kind", "human").err
    assert folder.list() == []
    assert foedus("participant", "add", "ada", "--kind", "human").code == 0
    assert folder.open("ada", "same")


@pytest.mark.usefixtures("enrolling")
def test_where_nobody_can_type_a_passphrase_its_flag_is_named(foedus, folder):
    ran = foedus("participant", "add", "ada", "--kind", "human")
    assert ran.code == 2
    assert "FOEDUS_PASSPHRASE" in ran.err
    assert "--passphrase-file" in ran.err
    assert folder.list() == []


@pytest.mark.usefixtures("enrolling")
def test_the_passphrase_may_come_from_a_file(foedus, folder, tmp_path):
    (tmp_path / "phrase").write_text("correct horse\n")
    assert foedus("participant", "add", "ada", "--kind", "human", "--passphrase-file", tmp_path / "phrase").code == 0
    assert folder.open("ada", "correct horse")
    missing = foedus("participant", "add", "bo", "--kind", "human", "--passphrase-file", tmp_path / "none")
    assert missing.code == 2


@pytest.mark.usefixtures("enrolling")
def test_an_agents_key_needs_no_passphrase(foedus, folder):
    assert foedus("participant", "add", "scout", "--kind", "agent").code == 0
    assert not folder.list()[0].sealed


def test_a_command_that_was_cut_short_takes_up_the_key_that_it_made(foedus, node, folder):
    node.on("GET", "/participants", [])
    assert foedus("participant", "add", "scout", "--kind", "agent").code == 1
    (made,) = folder.list()
    node.on("POST", f"/participants/{made.did}/acts", (201, PLACED))
    foedus("participant", "add", "scout", "--kind", "agent")
    assert folder.list() == [made]
    assert len(node.bodies("POST", f"/participants/{made.did}/acts")) == 2


@pytest.mark.usefixtures("enrolling", "folder")
def test_a_participant_that_is_there_is_not_added_again(foedus):
    foedus("participant", "add", "ada", "--kind", "agent")
    again = foedus("participant", "add", "ada", "--kind", "agent", "--json")
    assert again.error["code"] == "participant_exists"


@pytest.mark.usefixtures("enrolling")
def test_one_folder_serves_participants_of_the_same_name_at_two_nodes(foedus, folder):
    seed = bytes(32)
    folder.add("scout", did_of(Ed25519Key(seed).public), b"\x99" * 32, "agent", seed, None)
    assert foedus("participant", "add", "scout", "--kind", "agent").code == 0
    assert [entry.name for entry in folder.list()] == ["scout", f"scout@{OWN[:12]}"]


def test_the_node_keeps_an_agents_key_where_asked(foedus, node, folder):
    node.on("POST", "/participants", (201, ROBOT))
    ran = foedus("participant", "add", "robot", "--kind", "agent", "--custodial", "--json")
    assert ran.json == to_builtins(ROBOT)
    assert node.asked[-1].body == {"name": "robot", "kind": "agent", "custodial": True}
    assert folder.list() == []


@pytest.mark.usefixtures("folder")
def test_clocks_that_are_too_far_apart_are_said_before_anything_is_sent(foedus, node):
    node.on("GET", "/participants", []).on("GET", "/signing", {"node": OWN, "epoch": EPOCH, "now": 1})
    ran = foedus("participant", "add", "scout", "--kind", "agent", "--json")
    assert ran.error["code"] == "excessive_drift"


def test_list_and_find(foedus, node):
    node.on("GET", "/participants", [ROBOT, ELSEWHERE])
    out = foedus("participant", "list").out
    assert "this node" in out
    assert f'"bank" ({ELSEWHERE.node[:12]})' in out
    assert foedus("participant", "find", "bob", "--json").json == to_builtins([ROBOT, ELSEWHERE])
    assert node.asked[-1].query == {"q": "bob"}
    node.on("GET", "/participants", [])
    assert foedus("participant", "find", "x").out == "nobody found\n"


def test_revoke_names_the_cuts_and_stands_on_the_signers_enrolment(foedus, node, folder):
    seed = b"\x07" * 32
    key = Ed25519Key(seed)
    did = did_of(key.public)
    folder.add("ada", did, bytes.fromhex(OWN), "agent", seed, None)
    lost = "33" * 32
    devices = [DeviceView(key=lost, name="old", enrolment="44" * 32, revoked=False)]
    devices.append(DeviceView(key=key.public.hex(), name="new", enrolment=EVENT, revoked=False))
    node.on("GET", "/participants", [replace(ROBOT, did=did, name="ada", custody="device", devices=devices)])
    node.on("GET", f"/participants/{did}/devices/{lost}/cuts", [["55" * 32, 7, "66" * 32]])
    node.on("POST", f"/participants/{did}/acts", (201, PLACED))
    assert foedus("participant", "revoke", "ada", "--device", lost).code == 2
    assert foedus("participant", "revoke", "ada", "--device", lost, "--yes", "--json").json == PLACED
    (sent,) = node.bodies("POST", f"/participants/{did}/acts")
    assert decode(from_base64url(sent["body"])) == {"device": b"\x33" * 32, "cuts": [[b"\x55" * 32, 7, b"\x66" * 32]]}
    assert decode_as(from_base64url(sent["act"]), Act).auth == (bytes.fromhex(EVENT),)


@pytest.mark.parametrize(
    ("found", "device", "code"),
    [
        ([], "33" * 32, "not_found"),
        ([replace(ELSEWHERE, name="ada")], "33" * 32, "not_local"),
        ([replace(ROBOT, name="ada")], "33" * 32, "device_not_found"),
        ([replace(ROBOT, name="ada")], "33", "device_not_found"),
        ([replace(ROBOT, name="ada"), replace(ELSEWHERE, name="ada")], "33" * 32, "ambiguous"),
        ([replace(ROBOT, name="ada")], "22" * 32, "no_device_key"),
    ],
)
def test_what_cannot_be_revoked_says_why(foedus, node, found, device, code):
    node.on("GET", "/participants", found)
    ran = foedus("participant", "revoke", "ada", "--device", device, "--yes", "--json")
    assert ran.error["code"] == code
