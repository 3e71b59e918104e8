"""What a tier grants, and what that means at the door in and the door out."""

from __future__ import annotations

from pathlib import Path

import pytest

from foedus.base.errors import UsageError
from foedus.log import streams
from foedus.trust import diagram, tiers
from foedus.trust.door import Allow, Arrival, Withhold, decide, may_carry, may_see
from foedus.trust.peer import Peer, State
from foedus.trust.tiers import Tier

OWN, P, Q, R = (bytes([n]) * 32 for n in (1, 2, 3, 4))
ROOM = "ab" * 32
KINDS = ("node", "participant", "members", "room", "pair")
CORE, SANDBOX, EXTERNAL, UNKNOWN = Tier


def peer(node: bytes = P, tier: Tier = CORE, state: State = State.CONNECTED, *, paused: bool = False) -> Peer:
    return Peer(node=node, state=state, tier=tier, is_paused=paused)


class Facts:
    def __init__(self, members: set[bytes] = frozenset({OWN, P, Q}), given: dict[bytes, Tier] | None = None) -> None:
        self.own = OWN
        self.members = members
        self.given = given or {}
        self.not_agreed: set[tuple[bytes, str]] = set()
        self.knowing: set[bytes] = set()

    def is_member(self, node: bytes, room: str) -> bool:
        return room == ROOM and node in self.members

    def wrote_for(self, origin: bytes, viewer: bytes) -> bool:
        return {origin, viewer} <= self.members

    def is_knowing(self, node: bytes) -> bool:
        return node in self.knowing

    def tier(self, node: bytes) -> Tier | None:
        return self.given.get(node)

    def is_agreed(self, viewer: bytes, stream: streams.Stream) -> bool:
        return (viewer, stream.subject) not in self.not_agreed


def test_the_table_of_tiers():
    assert [tier for tier in Tier if tiers.sends_sync(tier)] == [CORE]
    assert [tier for tier in Tier if tiers.takes_sync(tier)] == [CORE, SANDBOX]
    assert [tier for tier in Tier if tiers.passes_on(tier)] == [CORE]
    assert [tier for tier in Tier if tiers.may_query(tier)] == [CORE, SANDBOX, EXTERNAL]


@pytest.mark.parametrize("kind", ["node", "participant", "pair"])
def test_what_events_are_judged_by_flows_to_every_accepted_peer(kind):
    assert [tier for tier in Tier if tiers.flows_to(tier, kind)] == [CORE, SANDBOX, EXTERNAL]
    assert [tier for tier in Tier if tiers.taken_from(tier, kind)] == [CORE, SANDBOX, EXTERNAL]


@pytest.mark.parametrize("kind", ["members", "room"])
def test_rooms_flow_as_the_tier_says(kind):
    assert [tier for tier in Tier if tiers.flows_to(tier, kind)] == [CORE]
    assert [tier for tier in Tier if tiers.taken_from(tier, kind)] == [CORE, SANDBOX]


def test_a_tier_is_typed_in_any_case():
    assert tiers.parse_tier(" core ") is CORE
    for wrong in ("unknown", "vip", ""):
        with pytest.raises(UsageError) as refused:
            tiers.parse_tier(wrong)
        assert refused.value.remedy


@pytest.mark.parametrize(
    ("origin", "kind", "clause"),
    [
        (peer(), "room", None),
        (peer(tier=SANDBOX), "room", None),
        (peer(tier=EXTERNAL), "room", "tier"),
        (peer(tier=EXTERNAL), "node", None),
        (peer(tier=EXTERNAL), "participant", None),
        (peer(paused=True), "room", "paused"),
        (peer(state=State.IGNORED), "room", "ignored"),
        (peer(state=State.IGNORED), "node", "ignored"),
        (peer(state=State.DISCONNECTED, tier=UNKNOWN), "room", None),
        (None, "room", None),
        (None, "pair", "not_connected"),
        (peer(state=State.DISCONNECTED), "pair", "not_connected"),
        (peer(), "pair", None),
    ],
)
def test_the_door_judges_by_origin(origin, kind, clause):
    verdict = decide(Arrival(origin, peer(Q), kind, carrier_is_member=True))
    assert verdict == (Withhold(clause) if clause else Allow())


@pytest.mark.parametrize(
    ("carrier", "kind", "is_member", "clause"),
    [
        (peer(Q, EXTERNAL), "room", True, "tier"),
        (peer(Q, SANDBOX), "room", True, None),
        (peer(Q), "room", False, "not_a_member"),
        (peer(Q), "node", False, None),
        (peer(Q, state=State.DISCONNECTED), "room", True, "not_connected"),
        (None, "room", False, None),
    ],
)
def test_the_door_judges_by_carrier(carrier, kind, is_member, clause):
    verdict = decide(Arrival(None, carrier, kind, carrier_is_member=is_member))
    assert verdict == (Withhold(clause) if clause else Allow())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tier", Tier)
def test_a_push_is_refused_whole_where_the_carrier_may_not_bring_it(kind, tier):
    is_room = kind in {"members", "room"}
    expected = tier in ({CORE, SANDBOX} if is_room else {CORE, SANDBOX, EXTERNAL})
    assert may_carry(tier, kind, carrier_is_member=True) is expected
    assert may_carry(tier, kind, carrier_is_member=False) is (expected and not is_room)


@pytest.mark.parametrize("name", ["node", f"participant:did:key:z6Mk{'a' * 44}"])
def test_who_sees_public_facts(name):
    stream = streams.parse(name)
    assert may_see(peer(), OWN, stream, Facts(set()))
    assert may_see(peer(), P, stream, Facts(set()))
    assert may_see(peer(tier=EXTERNAL), OWN, stream, Facts(set()))
    assert may_see(peer(), R, stream, Facts({P, R}))
    assert not may_see(peer(), R, stream, Facts())


@pytest.mark.parametrize("name", [f"members:{ROOM}", f"room:{ROOM}"])
def test_who_sees_a_room(name):
    stream = streams.parse(name)
    assert may_see(peer(), OWN, stream, Facts())
    assert may_see(peer(), Q, stream, Facts()), "members relay for members"
    assert may_see(peer(), Q, stream, Facts(given={Q: CORE}))
    assert not may_see(peer(), Q, stream, Facts(given={Q: SANDBOX})), "not passed on"
    assert may_see(peer(), P, stream, Facts(given={P: SANDBOX})), "its own events are no secret to it"
    assert not may_see(peer(R), OWN, stream, Facts()), "no member"
    assert not may_see(peer(tier=SANDBOX), OWN, stream, Facts())
    assert not may_see(peer(tier=EXTERNAL), OWN, stream, Facts())
    assert not may_see(peer(), OWN, streams.parse(f"room:{'cd' * 32}"), Facts())


def test_who_sees_the_stream_of_a_pair():
    assert may_see(peer(tier=EXTERNAL), OWN, streams.parse(streams.pair(OWN, P)), Facts())
    assert may_see(peer(), P, streams.parse(streams.pair(P, OWN)), Facts())
    assert not may_see(peer(), OWN, streams.parse(streams.pair(OWN, Q)), Facts())
    assert not may_see(peer(), P, streams.parse(streams.pair(P, Q)), Facts())


@pytest.mark.parametrize("state", [state for state in State if state is not State.CONNECTED])
@pytest.mark.parametrize("name", ["node", f"room:{ROOM}", streams.pair(OWN, P)])
def test_nothing_leaves_before_both_agreed_nor_after_the_end(state, name):
    assert not may_see(peer(state=state), OWN, streams.parse(name), Facts())


def test_nothing_leaves_while_paused():
    assert not may_see(peer(paused=True), OWN, streams.parse("node"), Facts())


def test_the_page_about_states_is_made_from_the_table():
    page = Path(__file__).parents[2] / "docs" / "peering-states.md"
    assert page.read_text(encoding="utf-8") == diagram.render()
