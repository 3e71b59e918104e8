"""The text of foedus.toml: what it may say, and what is told about what it may not."""

import json
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.trust import effects as do
from foedus.trust import inputs as hear
from foedus.trust.peer import State
from foedus.trust.policy import DEFAULT, TOP_SECTIONS, Assurance, PeeringPolicy, assurance_of, meets, options
from foedus.trust.policy_text import BadPolicy, parse
from foedus.trust.rules import MaxPeers
from foedus.trust.tiers import Tier
from tests.trust.books import ask, connected, pair

WHOLE = """
# what we decided
[federation.policy]
min_assurance = "hardware-attested"
require_mutual = false
auto_accept_known = true
max_peers = 3
default_tier = "SANDBOX"

[federation.limits]
api_per_token = "7/minute"

[federation.retention]
room = 30
"""


def test_a_file_says_what_it_says_and_the_rest_is_default():
    loaded = parse(WHOLE, "foedus.toml")
    assert loaded.policy.policy == PeeringPolicy(
        min_assurance=Assurance.HARDWARE_ATTESTED,
        require_mutual=False,
        auto_accept_known=True,
        max_peers=3,
        default_tier="SANDBOX",
    )
    assert loaded.policy.limits.api_per_token == "7/minute"
    assert loaded.policy.limits.events_per_peer == DEFAULT.limits.events_per_peer
    assert loaded.policy.retention.room == 30
    assert parse('[knowledge]\nembedder = "local"', "foedus.toml").policy.knowledge.embedder == "local"
    assert loaded.lines["policy.max_peers"] == 7
    assert loaded.lines["retention.room"] == 14


def test_nothing_is_the_defaults():
    assert parse("", "foedus.toml").policy == DEFAULT
    assert (DEFAULT.policy.require_mutual, DEFAULT.policy.auto_accept_known, DEFAULT.policy.max_peers) == (
        True,
        False,
        10,
    )
    assert DEFAULT.policy.min_assurance is Assurance.DEVICE_BOUND


@pytest.mark.parametrize(
    "text",
    [
        '[federation.policy]\nmin_auth_tier = "oauth-verified"',
        'federation.policy.min_auth_tier = "oauth-verified"',
        '[federation]\npolicy = {min_auth_tier = "oauth-verified"}',
    ],
)
def test_the_alias_and_every_way_to_write_a_table(text):
    loaded = parse(text, "foedus.toml")
    assert loaded.policy.policy.min_assurance is Assurance.OAUTH_VERIFIED
    assert "policy.min_assurance" in loaded.lines


@pytest.mark.parametrize(
    ("text", "line", "told", "remedy"),
    [
        ("[federation.policy]\nmax_peer = 3", 2, "federation.policy.max_peer", "did you mean max_peers?"),
        ("\n[federation.polici]\nx = 1", 2, "federation.polici", "did you mean policy?"),
        ("[federated]\nx = 1", 1, "federated", "federation"),
        ("[federation.policy]\n\nmax_peers = -1", 3, "max_peers = -1", "0 to 1024"),
        ('[federation.policy]\nmax_peers = "3"', 2, "max_peers", "without quotes"),
        ("[federation.policy]\nmax_peers = true", 2, "max_peers", "whole number"),
        ('[federation.policy]\nrequire_mutual = "yes"', 2, "require_mutual", "true or false"),
        ("[federation.policy]\nrequire_mutual = 1", 2, "require_mutual", "true or false"),
        ('[federation.policy]\nmin_assurance = "strong"', 2, "min_assurance", "'device-bound'"),
        ('[federation.policy]\ndefault_tier = "UNKNOWN"', 2, "default_tier", "'SANDBOX'"),
        ('[federation.limits]\n# c\napi_per_token = "often"', 3, "not a rate", '"100/second"'),
        ('[federation.limits]\napi_per_token = "0/second"', 2, "not a rate", '"100/second"'),
        ("[federation.limits]\napi_per_token = 5", 2, "api_per_token", '"100/second"'),
        ("[federation.retention]\nroom = 36501", 2, "room", "0 to 36500"),
        ("[federation.retention]\npair = 3", 2, "federation.retention.pair", "here stand room"),
        ('[knowledge]\nembedder = "cloud"', 2, "knowledge.embedder", "'local'"),
        ("[knowledge]\nurl = 3", 2, "knowledge.url", "in double quotes"),
        ("[knowledge]\nleast_similarity = 101", 2, "least_similarity", "0 to 100"),
        ('[federation.knowledge]\nembedder = "http"', 1, "federation.knowledge", "here stand policy"),
        ("[federation]\npolicy = 3", 2, "federation.policy is a section", "[federation.policy]"),
        ("[federation.policy\nmax_peers = 3", 1, "not TOML", "name = value"),
        ('[federation.policy]\nx = "', 2, "not TOML", "name = value"),
        (
            '[federation.policy]\nmin_assurance = "device-bound"\nmin_auth_tier = "device-bound"',
            3,
            "set twice",
            "keep min_assurance",
        ),
    ],
)
def test_what_is_wrong_is_told_with_file_line_option_and_remedy(text, line, told, remedy):
    with pytest.raises(BadPolicy) as refused:
        parse(text, "foedus.toml")
    assert f"foedus.toml, line {line}: " in str(refused.value)
    assert told in str(refused.value)
    assert remedy in refused.value.remedy
    assert refused.value.code == "bad_policy"


@given(st.text(max_size=200) | st.builds("[federation.policy]\n{}".format, st.text(max_size=60)))
def test_no_text_does_anything_but_load_or_be_refused(text):
    with suppress(BadPolicy):
        parse(text, "foedus.toml")


def test_assurances_are_in_order_and_a_key_that_a_node_keeps_is_below_all():
    for lower, higher in pairwise(Assurance):
        assert meets(higher, lower)
        assert not meets(lower, higher)
        assert meets(lower, lower)
        assert not meets(None, lower)
    assert assurance_of("device") is Assurance.DEVICE_BOUND
    assert assurance_of("node") is None


def test_the_table_in_the_docs_is_the_code():
    page = (Path(__file__).parents[2] / "docs" / "terms.md").read_text(encoding="utf-8")
    sections = ("| `federation.", *(f"| `{name}`" for name in TOP_SECTIONS))
    rows = [line for line in page.splitlines() if line.startswith(sections)]
    assert rows == [f"| `{o.heading}` | `{o.name}` | `{json.dumps(o.default)}` | {o.about} |" for o in options()]


# --- what the options do to the book ----------------------------------------------------------------


def answered(policy=None):
    link = pair(policy=policy)
    link.act(link.one, ask(vouched=False))
    link.settle()
    link.act(link.other, hear.HumanAccept(Tier.CORE))
    link.settle()
    return link


def test_an_answer_waits_unsigned_until_the_requesters_human_confirms():
    link = answered()
    assert link.states() == (State.ANSWERED, State.ACCEPTING)
    assert link.peer_at(link.one).agreement is None
    assert link.one.book.unconfirmed() == [link.peer_at(link.one)]
    link.reopen()
    link.settle()
    assert link.states() == (State.ANSWERED, State.ACCEPTING)
    link.act(link.one, hear.HumanConfirm())
    link.settle()
    assert link.states() == (State.CONNECTED, State.CONNECTED)


@pytest.mark.parametrize("order", ["before", "without_link"])
def test_the_confirmation_may_come_before_the_answer_or_while_no_link_stands(order):
    link = pair()
    link.act(link.one, ask(vouched=False))
    if order == "before":
        link.act(link.one, hear.HumanConfirm())
    link.settle()
    link.act(link.other, hear.HumanAccept(Tier.CORE))
    link.settle()
    if order == "without_link":
        link.close()
        link.act(link.one, hear.HumanConfirm())
        link.reopen()
        link.settle()
    assert link.states() == (State.CONNECTED, State.CONNECTED)


def test_without_require_mutual_the_request_was_the_confirmation():
    assert answered(PeeringPolicy(require_mutual=False)).states() == (State.CONNECTED, State.CONNECTED)


def test_to_trust_the_key_confirms():
    link = answered()
    link.send(link.one, link.one.trust(link.other.id, Tier.CORE))
    link.settle()
    assert link.states() == (State.CONNECTED, State.CONNECTED)


def test_a_request_that_crosses_one_which_nobody_vouched_for_asks_the_human():
    link = pair()
    link.act(link.one, ask(vouched=False))
    link.act(link.other, ask(vouched=False))
    link.settle()
    assert link.states() == (State.REQUESTED, State.INCOMING)
    link.act(link.other, hear.HumanAccept(Tier.CORE))
    link.settle()
    assert link.states() == (State.ANSWERED, State.ACCEPTING)


def test_an_unvouched_request_does_not_accept_what_waits():
    link = pair()
    link.act(link.one, ask())
    link.settle()
    with pytest.raises(Exception, match="has asked already") as refused:
        link.act(link.other, ask(vouched=False))
    assert refused.value.code == "request_waits"
    assert link.peer_at(link.other).state is State.INCOMING


def test_the_accepter_may_take_it_back_while_it_is_not_confirmed():
    link = answered()
    link.act(link.other, hear.HumanDisconnect())
    link.settle()
    assert link.states() == (State.DISCONNECTED, State.DISCONNECTED)


def test_who_was_connected_and_ended_it_himself_comes_back_with_the_former_tier():
    link = connected()
    link.other.policy = link.other.book.policy = PeeringPolicy(auto_accept_known=True)
    former = link.peer_at(link.other).tier
    link.act(link.one, hear.HumanDisconnect())
    link.settle()
    link.act(link.one, ask())
    link.settle()
    assert link.states() == (State.CONNECTED, State.CONNECTED)
    assert link.peer_at(link.other).tier is former is Tier.SANDBOX


@pytest.mark.parametrize("no", [hear.HumanDisconnect, hear.HumanDecline])
def test_whom_our_human_sent_away_does_not_come_back_unasked(no):
    link = connected()
    link.other.book.policy = PeeringPolicy(auto_accept_known=no is hear.HumanDisconnect)
    if no is hear.HumanDecline:
        link.act(link.one, hear.HumanDisconnect())
        link.settle()
        link.act(link.one, ask())
        link.settle()
    link.act(link.other, no())
    link.settle()
    link.other.book.policy = PeeringPolicy(auto_accept_known=True)
    for _ in range(2):
        with_note = ask("again")
        link.act(link.one, with_note)
        link.settle()
        link.reopen()
        link.settle()
        assert link.peer_at(link.other).state is State.INCOMING
    link.act(link.other, hear.HumanAccept(Tier.CORE))
    link.settle()
    assert link.states() == (State.CONNECTED, State.CONNECTED)


def test_beyond_max_peers_a_wish_is_refused_and_nothing_happens_unasked():
    link = connected()
    full = PeeringPolicy(max_peers=1, auto_accept_known=True)
    link.other.policy = link.other.book.policy = full
    third = pair(3, 2)
    third.other = link.other
    third.queues = {third.one.id: third.queues[third.one.id], link.other.id: third.queues[link.other.id]}
    link.other.trust(third.one.id, Tier.CORE)
    third.act(third.one, ask())
    third.settle()
    assert third.peer_at(link.other).state is State.INCOMING
    for wish in (hear.HumanAccept(Tier.CORE), ask()):
        with pytest.raises(MaxPeers) as refused:
            third.act(link.other, wish)
        assert (refused.value.code, refused.value.http_status) == ("max_peers", 409)
    link.act(link.other, hear.HumanDisconnect())
    effects = third.other.handle(third.one.id, hear.HumanAccept(Tier.CORE))
    assert any(isinstance(effect, do.SendAccepted) for effect in effects)
