"""What a node answers in these tests: one value of each view."""

import msgspec

from foedus.values.node import (
    DeviceView,
    IdentityView,
    ParticipantView,
    PeerView,
    ProbeView,
    StatusView,
    Trouble,
    VerifyReport,
)
from foedus.values.rooms import EventView, MemberView, MessageView, RoomView

OWN = "0a" * 32
BANK = "0b" * 32
EPOCH = "0e" * 32
ROOM = "0c" * 32
EVENT = "0f" * 32
MEMBERSHIP = "0d" * 32
HOSTILE = "big\x1b[31mbank\u202eevil\r\n\x9b2J\u200b"

IDENTITY = IdentityView(
    node=OWN,
    epoch=EPOCH,
    epoch_number=1,
    did="did:key:z6MkNode",
    name="north",
    version="0.1.0",
    ed25519="11" * 32,
    endpoints=["https://north.example:8102"],
)

PEER = PeerView(
    node=BANK,
    name="bigbank",
    name_clash=[],
    state="incoming",
    tier="UNKNOWN",
    their_tier=None,
    note="we met on Monday",
    url="https://bank.example",
    address="192.0.2.7",
    endpoints=[],
    requested_at=1_700_000_000_000_000,
    connected_at=None,
    last_seen=None,
    paused=False,
    link="none",
    link_error="",
    lag=0,
    sent=0,
    received=0,
    refused={},
    clock_offset_us=None,
    epoch=EPOCH,
    epoch_number=0,
    held_epoch=None,
)
CONNECTED = msgspec.structs.replace(PEER, state="connected", tier="CORE", their_tier="CORE", link="link")

PROBE = ProbeView(url="https://bank.example", node=BANK, did="did:key:z6MkBank", name="bigbank", endpoints=[])

STATUS = StatusView(
    troubles=[Trouble(code="clock_ahead", message="the clock is wrong", remedy="set it")],
    identity=IDENTITY,
    started_at=1,
    uptime_us=7_200_000_000,
    home="/home/ada/.foedus",
    events=12,
    chains=3,
    contested_chains=0,
    authoring=True,
    pending_requests=1,
    peers=[CONNECTED],
    memory_bytes=64 << 20,
    refused={"too_large": 2},
    last_local=12,
    store_id="s",
)

ROBOT = ParticipantView(
    did="did:key:z6MkRobot",
    name="robot",
    kind="agent",
    custody="node",
    node=OWN,
    node_name="north",
    is_local=True,
    devices=[DeviceView(key="22" * 32, name="robot", enrolment=EVENT, revoked=False)],
)
ELSEWHERE = msgspec.structs.replace(
    ROBOT,
    did="did:key:z6MkBob",
    name="bob",
    kind="human",
    custody="device",
    node=BANK,
    node_name="bank",
    is_local=False,
)

GENERAL = RoomView(
    room=ROOM,
    name="general",
    host=OWN,
    host_name="north",
    is_host=True,
    members=[
        MemberView(
            id=MEMBERSHIP, node=OWN, node_name="north", participant="", participant_name="", node_known_as="north"
        )
    ],
    left=False,
)

MESSAGE = MessageView(
    id=EVENT,
    room=ROOM,
    stream=f"room:{ROOM}",
    seq=1,
    hlc=[1_700_000_000_000_000, 0],
    at=1_700_000_000_000_000,
    text="hello",
    author="did:key:z6MkBob",
    author_name="bob",
    author_kind="human",
    node=BANK,
    node_name="bank",
    verified=True,
    why_not="",
    refs=[],
    cursor="c1",
)

LOGGED = EventView(
    id=EVENT,
    stream="node",
    epoch=EPOCH,
    node=OWN,
    seq=1,
    prev=None,
    hlc=[1_700_000_000_000_000, 0],
    kind="node.profile",
    author=OWN,
    at=1_700_000_000_000_000,
    verdict="accepted",
    reason="",
    withheld="",
    body={"name": "north"},
    message=None,
    cursor="c1",
)

REPORT = VerifyReport(
    ok=True,
    events=12,
    signatures=20,
    bodies=12,
    chains=3,
    checkpoints=1,
    records=2,
    problems=[],
    seconds=0.5,
)

PLACED = {"id": EVENT, "stream": f"room:{ROOM}", "seq": 2, "hlc": [1_700_000_000_000_000, 1], "approval": ""}
ROTATION = {"node": OWN, "epoch": EPOCH, "epoch_number": 2, "cause": "rotation"}
