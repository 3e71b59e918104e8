"""What waits for a person, and what a person granted: by the names known here, never by a bare claim."""

from msgspec.structs import replace

from foedus.surfaces.cli.approvals import approval_lines
from foedus.surfaces.cli.delegating import command_meant
from foedus.surfaces.cli.grants import grant_lines
from foedus.values.consent import ApprovalView, GrantView, LinkView
from tests.surfaces.cli.samples import BANK, EVENT, ROBOT, ROOM

DID = "did:key:z6MkAda"
ADAS = LinkView(did=DID, participant=DID, name="ada", kind="human", known_as="our ada")
ROBOTS = LinkView(did=ROBOT.did, participant=ROBOT.did, name='robot" of the board', kind="agent")
GRANT = GrantView(
    id=EVENT, cid="bafy", node=BANK, issuer=ADAS, audience=ROBOTS, command="/foedus/room/speak", policy=[],
    rooms=[ROOM], hosts=[BANK], one_act=False, uses_per_hour=0, after_foreign=False, not_before=None, expires=None,
    state="in_force", last_used=None, room_names=["general"], host_names=["b1gbank"], hosts_known_as=[""],
)  # fmt: skip
WAITING = ApprovalView(
    id="ab" * 8, state="waiting", agent=ROBOTS, command="/foedus/room/speak", what="speak", arguments={"host": BANK},
    room=ROOM, room_name="general", host_name="b1gbank", kind="message.text", text="hello", body="", salt="",
    digest="cd" * 32, clause="grant.human_required", needed=1, humans=[], grants=[], asked_at=1, until=2, event="",
    reason="", host_looks_like=["bigbank"],
)  # fmt: skip


def text(lines):
    return "\n".join("".join(part if isinstance(part, str) else part[0] for part in line) for line in lines)


def test_a_grant_names_its_ends_and_places(foedus, node):
    shown = text(grant_lines(GRANT))
    assert f"our ada (human), {DID}" in shown
    assert '"robot\' of the board" (agent)' in shown, "a claim stands in quotes that it cannot close"
    assert f"general ({ROOM[:12]})" in shown
    assert f'"b1gbank" ({BANK[:12]})' in shown
    node.on("GET", "/grants", [GRANT])
    listed = foedus("grant", "list").out
    assert "our ada" in listed
    assert '"robot\' of the board"' in listed


def test_a_grant_of_one_act_says_so_and_a_revoked_one_is_not_revoked_again(foedus, node):
    assert "this one act" in text(grant_lines(replace(GRANT, one_act=True)))
    node.on("GET", "/grants/bafy", replace(GRANT, state="revoked"))
    ran = foedus("grant", "revoke", "bafy", "--yes", "--json")
    assert (ran.code, ran.error["code"]) == (1, "already_revoked")


def test_only_a_person_signs_and_only_for_what_a_command_covers(foedus, node):
    node.on("GET", "/participants", [ROBOT])
    ran = foedus("grant", "create", "robot", "--as", "robot", "--json")
    assert (ran.error["code"], ran.error["remedy"]) == ("not_human", "give a person's name: --as")
    assert foedus("grant", "create", "nobody", "--json").error["message"] == (
        "there is no participant 'nobody' of this node"
    )
    ran = foedus("grant", "create", "robot", "--command", "/foedus/room/speek", "--json")
    assert ran.error["code"] == "unknown_command"
    assert "/foedus/room/speak" in ran.error["remedy"]
    assert [command_meant(text) for text in ("room/speak", "/foedus/room")] == ["/foedus/room/speak", "/foedus/room"]


def test_a_host_that_calls_itself_like_somebody_known_is_marked_before_a_person_allows(foedus, node):
    shown = text(approval_lines(WAITING))
    assert f'"b1gbank" ({BANK[:12]})' in shown
    assert "looks like" in shown
    assert "bigbank" in shown
    node.on("GET", "/approvals", [WAITING])
    assert "looks like bigbank" in foedus("approval", "list").out
