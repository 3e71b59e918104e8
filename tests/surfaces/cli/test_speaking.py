import io
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from foedus.adapters.device_folder import DeviceFolder
from foedus.base.base64url import from_base64url
from foedus.base.cbor import decode, decode_as
from foedus.base.errors import UsageError
from foedus.crypto.ed25519 import Ed25519Key, verify
from foedus.crypto.sealed import LEAST
from foedus.identity.did import did_of
from foedus.log.event import Act, act_signing_bytes
from foedus.surfaces.cli.speaking import membership_of
from foedus.values.node import DeviceView
from foedus.values.rooms import MemberView
from tests.surfaces.cli.samples import BANK, ELSEWHERE, EPOCH, EVENT, GENERAL, MEMBERSHIP, OWN, PLACED, ROBOT, ROOM

SEED = b"\x07" * 32
KEY = Ed25519Key(SEED)
ADA = replace(
    ROBOT,
    did=did_of(KEY.public),
    name="ada",
    kind="human",
    custody="device",
    devices=[DeviceView(key=KEY.public.hex(), name="ada", enrolment=EVENT, revoked=False)],
)


@pytest.fixture
def general(node):
    node.on("GET", "/participants", [ROBOT, ADA, ELSEWHERE]).on("GET", "/rooms/general", GENERAL)
    return node.on("POST", f"/rooms/{ROOM}/messages", (201, PLACED)).on("POST", "/rooms/direct", GENERAL)


@pytest.fixture
def ada_is_here(tmp_path, monkeypatch):
    folder = DeviceFolder(tmp_path / "device", cost=LEAST)
    folder.add("ada", ADA.did, bytes.fromhex(OWN), "human", SEED, "correct horse")
    monkeypatch.setenv("FOEDUS_PASSPHRASE", "correct horse")


def sent(node):
    return node.bodies("POST", f"/rooms/{ROOM}/messages")


def test_the_node_signs_for_an_agent_whose_key_it_keeps(foedus, general):
    ran = foedus("say", "general", "hello", "--as", "robot", "--json")
    assert ran.json == PLACED
    assert sent(general) == [{"text": "hello", "as": ROBOT.did}]


@pytest.mark.usefixtures("ada_is_here")
def test_a_persons_device_signs_here_and_cites_enrolment_and_membership(foedus, general):
    ran = foedus("say", "general", "hello", "there", "--as", "ada")
    assert ran.code == 0
    assert "said in general as ada" in ran.out
    (message,) = sent(general)
    assert set(message) == {"act", "asig", "salt", "body"}
    act = decode_as(from_base64url(message["act"]), Act)
    assert decode(from_base64url(message["body"])) == {"text": "hello there"}
    assert (act.kind, act.author) == ("message.text", ADA.did)
    assert act.auth == (bytes.fromhex(EVENT), bytes.fromhex(MEMBERSHIP))
    assert verify(
        KEY.public, act_signing_bytes(act, bytes.fromhex(EPOCH), f"room:{ROOM}"), from_base64url(message["asig"])
    )


@pytest.mark.usefixtures("ada_is_here")
def test_a_wrong_passphrase_sends_nothing(foedus, general, monkeypatch):
    monkeypatch.setenv("FOEDUS_PASSPHRASE", "wrong")
    assert foedus("say", "--to", "bob", "hi", "--as", "ada", "--json").error["code"] == "wrong_passphrase"
    assert all(asked.method == "GET" for asked in general.asked)


@pytest.mark.usefixtures("general")
def test_a_key_that_is_not_in_this_folder_is_said(foedus):
    assert foedus("say", "general", "hi", "--as", "ada", "--json").error["code"] == "no_device_key"


@pytest.mark.usefixtures("ada_is_here")
def test_a_revoked_device_does_not_sign(foedus, general):
    revoked = replace(ADA, devices=[replace(ADA.devices[0], revoked=True)])
    general.on("GET", "/participants", [revoked])
    assert foedus("say", "general", "hi", "--json").error["code"] == "no_device_key"


def test_the_only_participant_need_not_be_named(foedus, general):
    general.on("GET", "/participants", [ROBOT, ELSEWHERE])
    assert foedus("say", "general", "hi").code == 0
    assert sent(general) == [{"text": "hi", "as": ROBOT.did}]


@pytest.mark.parametrize(
    ("local", "arguments", "code"),
    [
        ([ELSEWHERE], [], "no_participant"),
        ([ROBOT, ADA], [], "speaker_needed"),
        ([ROBOT, ADA], ["--as", "carol"], "not_found"),
        ([ROBOT, ELSEWHERE], ["--as", "bob"], "not_found"),
        ([ROBOT, replace(ROBOT, did="did:key:z6MkOther")], ["--as", "robot"], "ambiguous"),
    ],
)
def test_who_speaks_must_be_clear(foedus, general, local, arguments, code):
    general.on("GET", "/participants", local)
    ran = foedus("say", "general", "hi", *arguments, "--json")
    assert ran.error["code"] == code
    if code == "speaker_needed":
        assert "ada, robot" in ran.error["message"]
        assert "--as" in ran.error["remedy"]


def test_to_one_participant_opens_the_room_of_the_two(foedus, general):
    assert foedus("say", "--to", "bob", "hi there", "--as", "robot").code == 0
    assert general.bodies("POST", "/rooms/direct") == [{"participant": ELSEWHERE.did, "as": ROBOT.did}]
    assert sent(general) == [{"text": "hi there", "as": ROBOT.did}]
    assert foedus("say", "--to", "nobody", "hi", "--as", "robot", "--json").error["code"] == "not_found"


def test_the_text_may_come_from_standard_input(foedus, general, monkeypatch):
    stdin = SimpleNamespace(buffer=io.BytesIO("grüße\nan alle\n".encode()), isatty=lambda: False)
    monkeypatch.setattr("sys.stdin", stdin)
    assert foedus("say", "general", "--file", "-", "--as", "robot").code == 0
    assert sent(general)[0]["text"] == "grüße\nan alle"


@pytest.mark.parametrize("data", [b"\xff\xfe", b"a" * 70_000, b" \n"])
def test_standard_input_that_is_no_message_is_refused(foedus, general, monkeypatch, data):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(data), isatty=lambda: False))
    assert foedus("say", "general", "--file", "-", "--as", "robot").code == 2
    assert sent(general) == []


def test_a_text_that_begins_with_dashes_goes_after_two(foedus, general):
    assert foedus("say", "--as", "robot", "--", "general", "--json is a flag").code == 0
    assert sent(general)[0]["text"] == "--json is a flag"


def test_ones_own_membership_comes_before_that_of_everyone_at_the_node():
    own = MemberView(id="ff" * 32, node=OWN, node_name="north", participant=ADA.did, participant_name="ada")
    assert membership_of(replace(GENERAL, members=[*GENERAL.members, own]), ADA) == "ff" * 32
    assert membership_of(GENERAL, ADA) == MEMBERSHIP
    elsewhere = replace(GENERAL.members[0], node=BANK)
    with pytest.raises(UsageError, match="not a member"):
        membership_of(replace(GENERAL, members=[elsewhere]), ADA)


WAITING = PLACED | {"id": "", "seq": 0, "approval": "ab" * 8}


def approval(**changes):
    view = {
        "id": "ab" * 8, "state": "waiting", "agent": {"did": ROBOT.did, "participant": ROBOT.did, "name": "robot",
        "kind": "agent"}, "command": "/foedus/room/speak", "what": "speak in a room that another node hosts",
        "arguments": {}, "room": ROOM, "room_name": "general", "host_name": "bank", "kind": "message.text",
        "text": "hello", "body": "", "salt": "", "digest": "cd" * 32, "clause": "grant.human_required", "needed": 1,
        "humans": [], "grants": [], "asked_at": 1, "until": 2, "event": "", "reason": "",
    }  # fmt: skip
    return view | changes


def test_what_needs_a_person_waits_and_says_for_what(foedus, general):
    general.on("POST", f"/rooms/{ROOM}/messages", (201, WAITING)).on("GET", f"/approvals/{'ab' * 8}", approval())
    ran = foedus("say", "general", "hello", "--as", "robot")
    assert ran.code == 0
    assert f"waits for a person: approval {'ab' * 8}" in ran.out
    assert f"foedus approval allow {'ab' * 8}" in ran.out + ran.err


def test_waiting_ends_with_what_a_person_decided(foedus, general):
    general.on("POST", f"/rooms/{ROOM}/messages", (201, WAITING))
    general.on("GET", f"/approvals/{'ab' * 8}", approval(state="done", event=EVENT))
    ran = foedus("say", "general", "hello", "--as", "robot", "--wait", "5")
    assert (ran.code, f"event {EVENT}" in ran.out) == (0, True)
    general.on("GET", f"/approvals/{'ab' * 8}", approval(state="denied", reason="not today"))
    ran = foedus("say", "general", "hello", "--as", "robot", "--wait", "5", "--json")
    assert (ran.code, ran.error["code"]) == (1, "denied")
    assert "not today" in ran.error["message"]
