"""The table, row by row: what each input does in each state, and what it may not do."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from foedus.base.cbor import Malformed
from foedus.base.errors import PeerViolation, UsageError
from foedus.trust import agreement
from foedus.trust import effects as do
from foedus.trust import inputs as hear
from foedus.trust.inputs import HUMAN, RECEIVED
from foedus.trust.machine import IllegalInput
from foedus.trust.peer import Peer, State
from foedus.trust.peering import is_human
from foedus.trust.tiers import Tier
from foedus.trust.transitions import TABLE
from tests.trust.books import Link, Node, ask, connected, pair

WISHES = {
    hear.HumanRequest: ask,
    hear.HumanConfirm: hear.HumanConfirm,
    hear.HumanAccept: lambda: hear.HumanAccept(Tier.CORE),
    hear.HumanDecline: hear.HumanDecline,
    hear.HumanIgnore: hear.HumanIgnore,
    hear.HumanDisconnect: hear.HumanDisconnect,
    hear.HumanTier: lambda: hear.HumanTier(Tier.EXTERNAL),
    hear.HumanPause: hear.HumanPause,
    hear.HumanResume: hear.HumanResume,
}
LEGAL = {(row.state, row.received) for row in TABLE}


def reach(state: State, first: int = 1) -> Link:
    """A link whose node ``one`` stands in ``state`` towards the other."""
    link = connected(first, 3 - first) if state in {State.CONNECTED, State.DISCONNECTED} else pair(first, 3 - first)
    one, other = link.one, link.other
    if state in {State.REQUESTED, State.ANSWERED, State.TURNED_DOWN}:
        link.act(one, ask(vouched=state is not State.ANSWERED))
        link.settle()
    if state in {State.INCOMING, State.ACCEPTING, State.DECLINED, State.IGNORED}:
        link.act(other, ask())
        link.settle()
    last = {
        State.ANSWERED: (other, hear.HumanAccept(Tier.CORE)),
        State.ACCEPTING: (one, hear.HumanAccept(Tier.CORE)),
        State.DECLINED: (one, hear.HumanDecline()),
        State.IGNORED: (one, hear.HumanIgnore()),
        State.DISCONNECTED: (one, hear.HumanDisconnect()),
        State.TURNED_DOWN: (other, hear.HumanDecline()),
    }
    if state in last:
        link.act(*last[state])
    link.close() if state is State.ACCEPTING else link.settle()
    link.reopen() if state is State.ACCEPTING else None
    link.queues[one.id].clear()
    link.queues[other.id].clear()
    assert link.peer_at(one).state is state
    link.seen.clear()
    return link


def kinds(effects: list[do.Effect]) -> list[type[do.Effect]]:
    return [type(effect) for effect in effects]


def act(link: Link, received: hear.Input) -> list[type[do.Effect]]:
    return kinds(link.one.handle(link.other.id, received))


def request_of(link: Link, note: str = "please") -> hear.RequestReceived:
    """A fresh, well-signed request by ``other``."""
    stranger = Node(int(link.other.id[0]), link.other.name)
    (_, sent) = stranger.handle(link.one.id, ask(note))
    return stranger.frame(sent)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("wish", HUMAN)
def test_what_a_human_may_not_do_is_refused_with_a_remedy_and_changes_nothing(state, wish):
    link = reach(state)
    before, stored = link.peer_at(link.one), dict(link.one.stored)
    if (state, wish) in LEGAL:
        link.act(link.one, WISHES[wish]())
        return
    with pytest.raises(IllegalInput) as refused:
        link.act(link.one, WISHES[wish]())
    assert "foedus peer" in refused.value.remedy
    assert isinstance(refused.value, UsageError)
    assert (link.peer_at(link.one), link.one.stored) == (before, stored)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("received", RECEIVED)
def test_every_frame_has_a_row_in_every_state(state, received):
    assert (state, received) in LEGAL


def test_the_last_row_of_each_pair_has_no_condition():
    last = {(row.state, row.received): row for row in TABLE}
    assert {row.condition.__name__ for row in last.values()} == {"always"}


def test_inputs_are_either_a_humans_or_the_others():
    assert is_human(hear.HumanPause())
    assert not is_human(hear.DeclinedReceived())
    assert {row.received for row in TABLE} == {*HUMAN, *RECEIVED}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("first", [1, 2])
def test_each_state_stores_before_it_sends(state, first):
    for wish in [*(WISHES[kind]() for kind in HUMAN), hear.EndedReceived("bye"), hear.LinkOpened(bytes(32))]:
        link = reach(state, first)
        try:
            effects = act(link, wish)
        except UsageError:
            continue
        stores = [effect in {do.Save, do.Forget, do.SaveTrusted} for effect in effects]
        assert stores == sorted(stores, reverse=True)


def test_the_whole_way_of_a_request():
    link = pair()
    link.act(link.one, ask("it is me, Ada", Tier.CORE))
    link.settle()
    waiting = link.peer_at(link.other)
    assert (waiting.name, waiting.note, waiting.address) == ("node 1", "it is me, Ada", "10.0.0.9")
    assert waiting.key == link.one.key.public
    link.act(link.other, hear.HumanAccept(Tier.SANDBOX))
    assert link.peer_at(link.other).state is State.ACCEPTING
    link.settle()
    here, there = link.peer_at(link.one), link.peer_at(link.other)
    assert (here.tier, here.their_tier) == (there.their_tier, there.tier) == (Tier.CORE, Tier.SANDBOX)
    assert here.agreement == there.agreement
    document = agreement.parse(here.agreement, link.one.id, link.other.id)
    assert [document.dids_of(it.id) for it in (link.one, link.other)] == [
        set(link.one.signers),
        set(link.other.signers),
    ]
    assert kinds(link.seen).count(do.BecameConnected) == 2


@pytest.mark.parametrize("first", [1, 2])
def test_crossed_requests_connect_without_another_human(first):
    link = pair(first, 3 - first)
    link.act(link.one, ask(tier=Tier.CORE))
    link.act(link.other, ask(tier=Tier.EXTERNAL))
    link.settle()
    assert link.states() == (State.CONNECTED, State.CONNECTED)
    here = link.peer_at(link.one)
    assert (here.tier, here.their_tier) == (Tier.CORE, Tier.EXTERNAL)
    assert here.is_requester == (link.one.id < link.other.id)
    assert do.AskHuman not in kinds(link.seen)


def test_asking_who_asks_us_is_accepting():
    link = reach(State.INCOMING)
    assert act(link, ask(tier=Tier.SANDBOX)) == [do.Save, do.SendAccepted]
    assert link.peer_at(link.one).tier is Tier.SANDBOX


def test_a_repeated_request_replaces_the_note_and_says_the_same_only_once():
    link = reach(State.INCOMING)
    again = request_of(link, "second try")
    assert act(link, again) == [do.Save, do.AskHuman]
    assert act(link, again) == []
    assert [request.peer.note for request in link.one.book.pending()] == ["second try"]


def test_asking_again_keeps_the_draft_and_changes_note_and_tier():
    link = reach(State.REQUESTED)
    before = link.peer_at(link.one)
    assert act(link, ask("hello?", Tier.EXTERNAL)) == [do.Save, do.SendRequest]
    after = link.peer_at(link.one)
    assert (after.draft, after.note, after.tier) == (before.draft, "hello?", Tier.EXTERNAL)


def test_a_declined_node_is_told_and_may_ask_again_with_a_new_request():
    link = reach(State.INCOMING)
    same = replace(request_of(link), agreement=link.peer_at(link.one).draft)
    same = replace(same, signature=agreement.sign(link.other.key, same.agreement))
    assert act(link, hear.HumanDecline()) == [do.Save, do.SendDeclined]
    assert act(link, same) == [do.SendDeclined]
    assert act(link, request_of(link)) == [do.Save, do.AskHuman]


@pytest.mark.parametrize(
    "received",
    [
        hear.DeclinedReceived(),
        hear.EndedReceived("bye"),
        hear.LinkOpened(bytes(32)),
        hear.RequestReceived("\x1b[2J", "", (), b"junk", b"", bytes(32)),
    ],
)
def test_an_ignored_node_hears_nothing_not_even_that_it_errs(received):
    link = reach(State.IGNORED)
    assert act(link, received) == []


@pytest.mark.parametrize(
    "claim",
    [
        hear.AcceptedReceived("x\x00", Tier.CORE, b"junk", b"", bytes(32)),
        hear.ConfirmedReceived(b"", bytes(32)),
        hear.TierReceived(Tier.CORE),
    ],
)
def test_an_ignored_node_that_holds_itself_connected_hears_what_any_stranger_hears(claim):
    ended = [do.SendEnded(bytes([2]) * 32, "not_connected")]
    assert reach(State.IGNORED).one.handle(bytes([2]) * 32, claim) == ended
    link = reach(State.DISCONNECTED)
    link.act(link.one, hear.HumanIgnore())
    assert link.one.handle(link.other.id, claim) == ended


def test_an_ignored_nodes_requests_leave_no_trace():
    link = reach(State.IGNORED)
    stored = dict(link.one.stored)
    assert act(link, request_of(link)) == []
    assert (link.one.stored, link.one.book.pending()) == (stored, [])


def test_ignoring_sends_nothing():
    assert act(reach(State.INCOMING), hear.HumanIgnore()) == [do.Save]


def test_a_withdrawn_request_is_forgotten():
    link = reach(State.INCOMING)
    assert act(link, hear.EndedReceived("withdrawn")) == [do.Forget]
    assert not link.one.book.peers
    assert not link.one.stored


def test_disconnecting_takes_back_the_tiers_and_remembers_what_was_given():
    link = reach(State.CONNECTED)
    effects = link.one.handle(link.other.id, hear.HumanDisconnect("moving house"))
    assert kinds(effects) == [do.Save, do.SendEnded, do.BecameDisconnected]
    peer = link.peer_at(link.one)
    assert (peer.tier, peer.their_tier, peer.former_tier) == (Tier.UNKNOWN, Tier.UNKNOWN, Tier.CORE)
    assert effects[1] == do.SendEnded(link.other.id, "moving house")
    assert effects[2].peer.agreement


def test_after_a_disconnect_a_new_request_needs_the_human_again():
    link = reach(State.DISCONNECTED)
    link.act(link.other, ask())
    link.settle()
    assert link.states() == (State.INCOMING, State.REQUESTED)


def test_a_request_of_a_connected_node_says_that_it_is_not_connected():
    link = reach(State.CONNECTED)
    assert act(link, request_of(link)) == [do.Save, do.BecameDisconnected, do.AskHuman]


@pytest.mark.parametrize(
    ("state", "received", "expected"),
    [
        (State.ACCEPTING, hear.EndedReceived("no"), [do.Save]),
        (State.CONNECTED, hear.EndedReceived("no"), [do.Save, do.BecameDisconnected]),
        (State.REQUESTED, hear.EndedReceived("stale"), []),
        (State.REQUESTED, hear.DeclinedReceived(), [do.Save]),
        (State.CONNECTED, hear.DeclinedReceived(), []),
        (State.UNKNOWN, hear.TierReceived(Tier.CORE), [do.SendEnded]),
        (State.DISCONNECTED, hear.TierReceived(Tier.CORE), [do.SendEnded]),
        (State.INCOMING, hear.TierReceived(Tier.CORE), [do.Forget, do.SendEnded]),
        (State.ACCEPTING, hear.AcceptedReceived("n", Tier.CORE, b"", b"", bytes(32)), [do.Save, do.SendEnded]),
        (State.DECLINED, hear.AcceptedReceived("n", Tier.CORE, b"", b"", bytes(32)), [do.SendEnded]),
        (State.INCOMING, hear.ConfirmedReceived(bytes(64), bytes(32)), [do.Forget, do.SendEnded]),
        (State.CONNECTED, hear.TierReceived(Tier.EXTERNAL), [do.Save]),
        (State.CONNECTED, hear.HumanTier(Tier.EXTERNAL), [do.Save, do.SendTier]),
        (State.ACCEPTING, hear.HumanTier(Tier.EXTERNAL), [do.Save, do.SendAccepted]),
        (State.REQUESTED, hear.HumanTier(Tier.EXTERNAL), [do.Save]),
        (State.CONNECTED, hear.HumanPause(), [do.Save]),
        (State.CONNECTED, hear.HumanResume(), []),
        (State.UNKNOWN, hear.ConfirmedReceived(b"", bytes(32)), [do.SendEnded]),
        (State.ACCEPTING, hear.ConfirmedReceived(bytes(64), bytes(32)), [do.Save, do.SendEnded]),
        (State.CONNECTED, hear.ConfirmedReceived(bytes(64), bytes(32)), [do.Save, do.SendEnded, do.BecameDisconnected]),
    ],
)
def test_frames_and_wishes(state, received, expected):
    assert act(reach(state), received) == expected


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (State.UNKNOWN, []),
        (State.REQUESTED, [do.SendRequest]),
        (State.INCOMING, []),
        (State.ACCEPTING, [do.SendAccepted]),
        (State.CONNECTED, [do.SendConfirmed, do.SendTier]),
        (State.DISCONNECTED, []),
        (State.DECLINED, []),
        (State.TURNED_DOWN, []),
        (State.IGNORED, []),
    ],
)
def test_a_link_brings_again_what_may_have_been_lost(state, expected):
    link = reach(state)
    effects = act(link, hear.LinkOpened(link.other.key.public))
    assert [effect for effect in effects if effect is not do.Save] == expected


def test_a_yes_after_a_no_counts_while_the_request_stands():
    link = reach(State.TURNED_DOWN)
    final = agreement.complete(link.peer_at(link.one).draft, link.other.id, link.one.id, link.other.signers)
    yes = hear.AcceptedReceived("n", Tier.CORE, final, agreement.sign(link.other.key, final), link.other.key.public)
    assert act(link, yes) == [do.Save, do.SendConfirmed, do.SendTier, do.BecameConnected]


def test_an_acceptance_of_a_former_request_is_passed_over():
    link = reach(State.REQUESTED)
    final = agreement.complete(link.peer_at(link.one).draft, link.other.id, link.one.id, ())
    link.act(link.one, hear.HumanDisconnect())
    link.act(link.one, ask())
    yes = hear.AcceptedReceived("n", Tier.CORE, final, agreement.sign(link.other.key, final), link.other.key.public)
    assert act(link, yes) == []


@pytest.mark.parametrize("spoil", ["signature", "agreement", "key", "name"])
def test_a_bad_acceptance_changes_nothing(spoil):
    link = reach(State.REQUESTED)
    final = agreement.complete(link.peer_at(link.one).draft, link.other.id, link.one.id, link.other.signers)
    yes = hear.AcceptedReceived("n", Tier.CORE, final, agreement.sign(link.other.key, final), link.other.key.public)
    bad = {"signature": bytes(64), "agreement": final[:-1], "key": bytes(32), "name": "\x07"}[spoil]
    before = link.peer_at(link.one)
    with pytest.raises(PeerViolation):
        link.act(link.one, replace(yes, **{spoil: bad}))
    assert link.peer_at(link.one) == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("signature", bytes(64)),
        ("key", bytes(32)),
        ("agreement", b"\xa0"),
        ("name", "x" * 129),
        ("name", "big\x1b[2Jbank"),
        ("name", "\u202eknabgib"),
        ("note", "x" * 1001),
        ("endpoints", ("http://x",) * 9),
    ],
)
def test_a_bad_request_is_a_violation_and_is_not_kept(field, value):
    link = pair()
    with pytest.raises(PeerViolation):
        link.act(link.one, replace(request_of(link), **{field: value}))
    assert not link.one.book.peers
    assert not link.one.stored


def test_a_request_with_a_note_that_is_too_long_is_the_callers_mistake():
    with pytest.raises(UsageError):
        pair().one.handle(bytes(32), ask("x" * 1001))


def test_nobody_is_given_the_tier_of_strangers():
    with pytest.raises(UsageError):
        act(reach(State.INCOMING), hear.HumanAccept(Tier.UNKNOWN))


def test_a_salt_of_the_wrong_length_makes_no_draft():
    with pytest.raises(Malformed):
        pair().one.handle(bytes(32), hear.HumanRequest(tier=Tier.CORE, salt=b"short"))


def test_the_reason_of_an_ending_is_cut_and_cleaned():
    link = reach(State.CONNECTED)
    act(link, hear.EndedReceived("\x1b[2J" + "x" * 500))
    assert link.peer_at(link.one).reason.startswith("[2Jx")
    assert len(link.peer_at(link.one).reason) < 129


def test_a_rotated_key_signs_what_is_said_again():
    link = reach(State.CONNECTED)
    link.one.rotate()
    link.reopen()
    link.settle()
    assert link.states() == (State.CONNECTED, State.CONNECTED)
    assert link.peer_at(link.other).key == link.one.key.public


def test_a_stranger_is_a_fresh_peer():
    assert pair().one.book.peer(bytes(32)) == Peer(node=bytes(32))
