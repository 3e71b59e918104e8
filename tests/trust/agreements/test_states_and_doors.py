"""The tables of agreements, and what a document lets through."""

from __future__ import annotations

import re
import tomllib
from itertools import permutations, product
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from foedus.base.cbor import Malformed
from foedus.base.limits import SECOND
from foedus.identity.ucan.command import covers
from foedus.log import streams
from foedus.log.bodies import PLACES
from foedus.trust.agreements import diagram
from foedus.trust.agreements.commands import BORDER_COMMANDS
from foedus.trust.agreements.differences import clauses, differences
from foedus.trust.agreements.document import Signer, read, starter, write
from foedus.trust.agreements.in_force import AgreementInForce
from foedus.trust.agreements.states import MEANINGS, TABLE, WISHES, State, Step, may, move, state_of
from foedus.trust.agreements.terms import BadTerms, SideTerms, Terms, next_version
from foedus.trust.door import Allow, Arrival, Withhold, decide, refused
from foedus.trust.peer import Peer
from foedus.trust.peer import State as PeerState
from foedus.trust.tiers import Tier
from tests.trust.books import did

A, B = bytes([1]) * 32, bytes([2]) * 32
ROOM, OTHER_ROOM = b"\xab" * 32, b"\xcd" * 32
SALT = bytes(32)
BASE = starter((A, B), ([did(1)], [did(2)]), SALT)


def in_force(**clauses_):
    return AgreementInForce(SALT, replace(BASE, **clauses_))


def room(room_id=ROOM):
    return streams.parse(streams.room(room_id))


# --- the tables ----------------------------------------------------------------------------------


def test_the_page_is_made_from_the_tables():
    assert Path("docs/agreement-states.md").read_text(encoding="utf-8") == diagram.render()


def test_steps_commute_and_repeat_without_harm():
    for state, one, other in product(State, Step, Step):
        assert move(move(state, one), other) == move(move(state, other), one)
        assert move(move(state, one), one) == move(state, one)


def test_a_step_only_moves_forward():
    order = list(State)
    assert all(order.index(row.target) > order.index(row.state) for row in TABLE)
    assert len({(row.state, row.step) for row in TABLE}) == len(TABLE)


def test_every_state_and_step_is_reached_and_told():
    assert {row.target for row in TABLE} == set(State) - {State.UNKNOWN}
    assert {row.step for row in TABLE} == set(Step)
    assert set(MEANINGS) == {*State, *Step}


@pytest.mark.parametrize(
    ("steps", "state"),
    [
        ([], State.UNKNOWN),
        ([Step.PROPOSE, Step.COUNTER], State.COUNTERED),
        ([Step.PROPOSE, Step.SIGN], State.SIGNED),
        ([Step.PROPOSE, Step.SIGN, Step.WITHDRAW], State.WITHDRAWN),
        ([Step.PROPOSE, Step.SIGN, Step.FINALISE, Step.DECLINE], State.IN_FORCE),
        ([Step.PROPOSE, Step.SIGN, Step.OVERTAKE], State.OVERTAKEN),
        ([Step.PROPOSE, Step.FINALISE, Step.EXPIRE, Step.REPLACE], State.REPLACED),
        ([Step.PROPOSE, Step.FINALISE, Step.END], State.ENDED),
    ],
)
def test_a_document_stands_where_its_steps_lead_in_any_order(steps, state):
    assert {state_of(order) for order in permutations(steps)} == {state}


def test_humans_may_do_what_the_table_says_by_kinds_that_exist():
    assert may("sign", "theirs", State.PROPOSED)
    assert not may("sign", "ours", State.PROPOSED)
    assert not may("decline", "theirs", State.IN_FORCE)
    assert not may("propose", "both", State.ENDED)
    assert {permission.kind for permission in WISHES} <= set(PLACES)


# --- the doors -----------------------------------------------------------------------------------


def test_the_starter_lets_every_shared_room_through_both_ways():
    terms = in_force()
    for node, kind in product((A, B), ("room", "members")):
        assert terms.refuses(node, streams.parse(f"{kind}:{ROOM.hex()}"), 1) == ""


@pytest.mark.parametrize(
    ("changes", "at", "clause"),
    [
        ({"rooms": (OTHER_ROOM,)}, 1, "rooms"),
        ({"rooms": (ROOM, OTHER_ROOM)}, 1, ""),
        ({"rooms": ()}, 1, "rooms"),
        ({"directions": (("knowledge",), ("room",))}, 1, "directions.room"),
        ({"directions": (("room",), ())}, 1, ""),
        ({"expires": 10}, 9, ""),
        ({"expires": 10}, 10, "expires"),
    ],
)
def test_what_a_clause_is_against_passes_neither_door(changes, at, clause):
    terms = in_force(**changes)
    named = f"agreement.{clause}" if clause else ""
    assert terms.refuses(A, room(), at) == clause
    assert refused(terms, A, room(), at) == named
    peer = Peer(node=A, state=PeerState.CONNECTED, tier=Tier.CORE)
    arrival = Arrival(peer, peer, "room", carrier_is_member=True, by_agreement=refused(terms, A, room(), at))
    assert decide(arrival) == (Withhold(named) if named else Allow())


@pytest.mark.parametrize("stream", ["node", f"participant:{did(1)}", streams.pair(A, B)])
def test_what_events_are_judged_by_always_flows(stream):
    terms = AgreementInForce(SALT, replace(BASE, rooms=(), directions=((), ()), expires=1), is_ended=True)
    assert terms.refuses(A, streams.parse(stream), 99) == ""


def test_a_line_that_has_ended_lets_nothing_of_rooms_through():
    assert AgreementInForce(SALT, BASE, is_ended=True).refuses(A, room(), 1) == "ended"


def test_only_a_connected_node_is_judged_by_an_agreement():
    gone = Peer(node=A, state=PeerState.DISCONNECTED)
    assert decide(Arrival(gone, None, "room", carrier_is_member=True, by_agreement="agreement.rooms")) == Allow()
    assert refused(None, A, room(), 1) == ""


def test_commands_are_compared_by_segment():
    assert covers("/msg", "/msg/send")
    assert covers("/msg", "/msg")
    assert not covers("/msg", "/msgevil")
    assert not covers("/msg/send", "/msg")
    terms = in_force(commands=(("/foedus/room",), ()))
    assert terms.allows_command(A, "/foedus/room/speak") == ""
    assert terms.allows_command(A, "/foedus/roomy") == terms.allows_command(B, "/foedus/room/speak") == "commands"
    assert all(in_force().allows_command(node, command) == "" for node in (A, B) for command in BORDER_COMMANDS)


def test_the_evaluator_asks_who_signs_and_how_many():
    terms = in_force(approvals={"/foedus/room": 2, "/foedus/room/speak": 3}, humans="named", rates=(60, None))
    assert terms.approvals_needed("/foedus/room/speak") == 3
    assert terms.approvals_needed("/foedus/room/other") == 2
    assert terms.approvals_needed("/foedus/query/ask") == 1
    assert terms.human_signers(A) == (Signer(did(1)),)
    assert terms.speaks_for_themselves(A, did(1))
    assert not terms.speaks_for_themselves(A, did(2))
    assert in_force().speaks_for_themselves(A, did(9))
    assert (terms.rate(A), terms.rate(B)) == (60, None)


# --- documents and terms -------------------------------------------------------------------------


def test_a_next_version_changes_what_the_terms_name_and_nothing_else():
    terms = Terms(
        rooms=[OTHER_ROOM.hex(), ROOM.hex()],
        ours=SideTerms(rate=60, directions=["room", "knowledge"]),
        theirs=SideTerms(commands=["/foedus/query", "/foedus/agent"], signers=[Signer(did(5)), Signer(did(4))]),
        retention_days=30,
        expires=99,
        humans="named",
        approvals={"/foedus/query/ask": 2},
    )
    after = read(next_version(BASE, SALT, B, terms, bytes([7]) * 32))
    assert (after.version, after.base, after.rooms) == (2, SALT, (ROOM, OTHER_ROOM))
    assert after.rates == (None, 60)
    assert after.directions == (BASE.directions[0], ("knowledge", "room"))
    assert after.commands == (("/foedus/agent", "/foedus/query"), BASE.commands[1])
    assert after.signers == (tuple(Signer(it) for it in sorted([did(4), did(5)])), BASE.signers[1])
    assert (after.retention, after.expires, after.humans, after.approvals) == (
        30,
        99,
        "named",
        {"/foedus/query/ask": 2},
    )
    again = read(next_version(after, ROOM, B, Terms(retention_days=0, expires=0, ours=SideTerms(rate=0)), SALT))
    assert (again.retention, again.expires, again.rates) == (None, None, (None, None))
    changed = differences(BASE, after, B)
    assert {(it.name, it.about) for it in changed} == {
        ("rooms", ""), ("rates", "us"), ("directions", "us"), ("commands", "them"), ("signers", "them"),
        ("retention", ""), ("expires", ""), ("humans", ""), ("approvals", ""),
    }  # fmt: skip
    assert len(clauses(BASE, A)) == 13


def test_the_terms_on_the_page_of_agreements_are_terms():
    (written,) = re.findall(
        r"^```toml\n(.*?)^```$", Path("docs/agreements.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    plain = tomllib.loads(written)
    plain["expires"] = int(plain["expires"].timestamp()) * SECOND
    after = read(next_version(BASE, SALT, A, msgspec.convert(plain, Terms), SALT))
    assert {it.name for it in differences(BASE, after, A)} == {it.name for it in clauses(BASE, A)}


@pytest.mark.parametrize(
    "terms",
    [
        Terms(rooms=["plans"]),
        Terms(rooms=[bytes([n // 256, n % 256] * 16).hex() for n in range(129)]),
        Terms(ours=SideTerms(commands=["/"])),
        Terms(ours=SideTerms(commands=["foedus"])),
        Terms(ours=SideTerms(signers=[Signer(did(3)), Signer(did(3), "oauth-verified")])),
        Terms(approvals={"/foedus/query/ask": 65}),
        Terms(theirs=SideTerms(signers=[Signer("did:web:x")])),
    ],
)
def test_terms_that_no_document_can_hold_are_refused(terms):
    with pytest.raises(BadTerms) as refusal:
        next_version(BASE, SALT, A, terms, SALT)
    assert refusal.value.remedy


@pytest.mark.parametrize(
    "changes",
    [{"rooms": (OTHER_ROOM, ROOM)}, {"rooms": (ROOM, ROOM)}, {"version": 2}, {"base": SALT}, {"nodes": (B, A)}],
)
def test_a_document_has_one_form(changes):
    with pytest.raises(Malformed):
        write(replace(BASE, **changes))


def test_a_document_that_is_too_large_is_not_written():
    rooms = tuple(n.to_bytes(32, "big") for n in range(128))
    signers = tuple(Signer(it) for it in sorted(did(n) for n in range(1, 65)))
    commands = tuple(f"/{n:0127}" for n in range(32))
    with pytest.raises(Malformed):
        write(replace(BASE, rooms=rooms, signers=(signers, signers), commands=(commands, commands)))
