"""Each option of foedus.toml changes what real nodes do; a reload changes it without a link dropping."""

import json
import os
import secrets

import pytest

from foedus.base.errors import NotFound, UsageError
from foedus.crypto.ed25519 import Ed25519Key
from foedus.node.crdt_forms import CrdtAsk
from foedus.node.home import Home, create_home
from foedus.node.policy import PolicyBook
from foedus.surfaces.cli.participants import enrolment_draft
from foedus.surfaces.cli.signing import Moment, signed_act
from foedus.trust import agreement
from foedus.trust.agreements.document import Signer
from foedus.trust.agreements.terms import SideTerms, Terms
from foedus.trust.policy_text import BadPolicy
from foedus.trust.rules import MaxPeers
from tests.node.border import border_of
from tests.node.nodes import Street, connect, share, street, until
from tests.node.people import enrol
from tests.node.test_agreements_across_nodes import agree


def decide(it: Street, name: str, text: str) -> None:
    """Write the policy file of a node."""
    Home(it.folder / name).policy_path.write_text(text, encoding="utf-8")


def policy(**options: object) -> str:
    lines = [f"{name} = {json.dumps(value)}" for name, value in options.items()]
    return "\n".join(["[federation.policy]", *lines])


async def enrol_human(at, name="ada"):
    """A person with a key of her own device."""
    key, context = Ed25519Key(secrets.token_bytes(32)), at.service.signing_context()
    draft = enrolment_draft(key, bytes.fromhex(context.node), "human", name)
    moment = Moment(bytes.fromhex(context.epoch), context.now, secrets.token_bytes(16), secrets.token_bytes(32))
    await at.service.participant_act(draft.author, signed_act(key, draft, moment))


async def waiting(asker, accepter):
    await until(lambda: asker.id in {view.node for view in accepter.service.peers_pending()}, "the request waits")


async def linked(one, other):
    await until(lambda: one.is_linked(other) and other.is_linked(one), "both are connected")


async def test_with_require_mutual_nothing_flows_until_the_requester_confirms(tmp_path):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        await alice.service.peer_request(bob.url)
        await waiting(alice, bob)
        await bob.service.peer_accept(alice.id)
        await until(lambda: alice.peer(bob).state == "answered", "alice hears of it")
        assert bob.peer(alice).state == "accepting"
        (trouble,) = alice.service.status().troubles
        assert trouble.code == "confirm"
        assert bob.id in trouble.message
        assert trouble.remedy.endswith(f"foedus peer confirm {bob.id}")
        await it.restart("alice")
        alice = it.running["alice"]
        assert alice.peer(bob).state == "answered"
        await alice.service.peer_confirm(bob.id)
        await linked(alice, bob)
        assert alice.service.status().troubles == []
        with pytest.raises(UsageError, match="'confirm' is not possible"):
            await alice.service.peer_confirm(bob.id)


async def test_without_require_mutual_the_request_was_the_confirmation(tmp_path):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        decide(it, "alice", policy(require_mutual=False))
        alice.node.policy.reload()
        await alice.service.peer_request(bob.url)
        await waiting(alice, bob)
        await bob.service.peer_accept(alice.id)
        await linked(alice, bob)


async def test_auto_accept_known_lets_a_former_peer_back_with_its_tier(tmp_path):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        await connect(alice, bob, tier="SANDBOX")
        for known in (False, True):
            decide(it, "bob", policy(auto_accept_known=known))
            assert bob.node.policy.reload()
            await alice.service.peer_disconnect(bob.id)
            await until(lambda: bob.peer(alice).state == "disconnected", "bob hears of the end")
            await alice.service.peer_request(bob.url, expect=bob.id)
            if not known:
                await waiting(alice, bob)
                await bob.service.peer_accept(alice.id, "SANDBOX")
            await linked(alice, bob)
            assert bob.peer(alice).tier == "SANDBOX"


async def test_beyond_max_peers_accepting_asking_and_confirming_are_refused(tmp_path):
    async with street(tmp_path) as it:
        hub, one, two, three = [await it.add(name) for name in ("hub", "one", "two", "three")]
        decide(it, "hub", policy(max_peers=1))
        assert hub.node.policy.reload()
        await hub.service.peer_request(three.url, expect=three.id)
        await connect(one, hub)
        await two.service.peer_request(hub.url, expect=hub.id)
        await waiting(two, hub)
        await hub.service.peer_trust(two.id, "CORE")
        await waiting(hub, three)
        await three.service.peer_accept(hub.id)
        await until(lambda: hub.peer(three).state == "answered", "what was asked before waits, too")
        for wish in (
            hub.service.peer_accept(two.id),
            hub.service.peer_confirm(three.id),
            hub.service.peer_request(two.url, expect=two.id),
        ):
            with pytest.raises(MaxPeers, match="1 peers are connected"):
                await wish
        assert hub.peer(two).state == "incoming"
        assert hub.is_linked(one)
        decide(it, "hub", policy(max_peers=0))
        assert hub.node.policy.reload()
        await hub.service.peer_accept(two.id)
        await hub.service.peer_confirm(three.id)
        await linked(hub, two)
        await linked(hub, three)


async def test_default_tier_is_what_who_accepts_gives_without_a_word(tmp_path):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        decide(it, "bob", policy(default_tier="EXTERNAL"))
        bob.node.policy.reload()
        await alice.service.peer_request(bob.url, expect=bob.id)
        await waiting(alice, bob)
        await bob.service.peer_accept(alice.id)
        await linked(alice, bob)
        assert bob.peer(alice).tier == "EXTERNAL"


@pytest.mark.parametrize(("least", "count"), [("device-bound", 1), ("hardware-attested", 0)])
async def test_humans_below_min_assurance_are_not_named_in_agreements(tmp_path, least, count):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        await enrol_human(alice)
        decide(it, "alice", policy(min_assurance=least))
        alice.node.policy.reload()
        await connect(alice, bob)
        peer = alice.node.peers.book.peer(bob.node.store.node)
        document = agreement.parse(peer.agreement, alice.node.store.node, bob.node.store.node)
        assert sorted(map(len, document.signers)) == [0, count]


def why(at):
    """Return why each message is held back, '' where it is shown."""
    return [view.why_not for view in at.service.messages("plans").messages]


async def test_below_min_assurance_nobody_from_elsewhere_counts_as_a_human_from_the_reload_on(tmp_path):
    async with border_of(tmp_path) as (it, a, b, ada, scout):
        room = a.service.rooms()[0].room
        await ada.give(scout)
        await ada.say("by herself")
        await b.say("in her name", "scout")
        await until(lambda: a.texts() == ["by herself", "in her name"], "both cross")
        await b.service.crdt_do("plans", "count", CrdtAsk(type="counter", by=1, as_="scout"))
        await until(lambda: len(a.service.events(limit=1_000, stream=f"room:{room}").events) == 3, "that, too")
        assert (await a.service.crdt("plans", "count")).value == 1
        decide(it, "a", policy(min_assurance="hardware-attested"))
        assert a.node.policy.reload()
        with pytest.raises(NotFound):
            await a.service.crdt("plans", "count")
        assert why(a) == ["grant.human_required", "grant.signer"], "what is held is judged again"
        await ada.say("by herself again")
        await b.say("in her name again", "scout")
        await until(lambda: len(why(a)) == 4, "they arrive")
        assert why(a)[2:] == ["grant.human_required", "grant.signer"]
        assert a.service.explain("scout", "message.text", "plans").code == "grant.signer"
        third = a.node.agreements.border_terms(bytes(32), a.node.store.node)
        assert not third.names(ada.did), "nor anybody of a node that one has no agreement with"
        assert [view.why_not for view in b.service.messages("plans").messages] == [""] * 4, "b's own policy is its own"
        decide(it, "a", policy(min_assurance="device-bound"))
        assert a.node.policy.reload()
        assert why(a)[:2] == ["", ""]


@pytest.mark.parametrize("option", ["min_assurance", "min_auth_tier"])
async def test_lower_min_assurance_lets_whom_an_agreement_names_so_count(tmp_path, option):
    async with border_of(tmp_path) as (it, a, b, ada, scout):
        grace = await enrol(b, "grace")
        named = [Signer(ada.did), Signer(grace.did, "oauth-verified")]
        await agree(a, b, Terms(theirs=SideTerms(signers=named)), ada)
        for least in ("device-bound", "oauth-verified"):
            for name in ("a", "b"):
                decide(it, name, policy(**{option: least}))
                assert it.running[name].node.policy.reload()
            if least == "device-bound":
                await grace.give(scout)
                assert (await b.say("in grace's name", "scout")).approval, "she does not count here yet"
                assert a.service.explain("scout", "message.text", "plans").code == "grant.signer"
        assert (await b.say("in grace's name", "scout")).id
        await until(lambda: a.texts() == ["in grace's name"], "and there she counts, too")


async def test_a_bad_file_at_reload_keeps_the_policy_and_is_told(tmp_path, caplog):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        await connect(alice, bob)
        link = alice.node.links.get(bob.node.store.node)
        decide(it, "alice", policy(max_peers=1))
        assert alice.node.policy.reload()
        decide(it, "alice", policy(max_peers="many"))
        assert not alice.node.policy.reload()
        assert alice.node.policy.current.policy.max_peers == 1
        (trouble,) = alice.service.status().troubles
        assert trouble.code == "bad_policy"
        assert "foedus.toml, line 2" in trouble.message
        assert "the policy in force stays" in caplog.text
        decide(it, "alice", policy(max_peers=2))
        assert alice.node.policy.reload()
        assert alice.service.status().troubles == []
        assert alice.node.links.get(bob.node.store.node) is link
        assert alice.is_linked(bob)
        room = await share(alice, bob)
        await alice.say("the link goes on", room=room)
        await until(lambda: bob.texts(room) == ["the link goes on"], "bob hears it")


async def test_a_node_does_not_start_on_a_bad_file_and_starts_when_it_is_mended(tmp_path):
    async with street(tmp_path) as it:
        it.words["alice"] = create_home(Home(tmp_path / "alice"), "alice")[1]
        decide(it, "alice", "[federation.policy]\nmax_peer = 3")
        with pytest.raises(BadPolicy, match="line 2"):
            await it.start("alice")
        decide(it, "alice", "")
        await it.start("alice")


@pytest.mark.parametrize("text", ["x = " + "9" * 5_000, "x = " + "[" * 20_000], ids=["digits", "brackets"])
def test_what_the_library_cannot_read_leaves_the_policy_in_force(tmp_path, text):
    book = policy_book(tmp_path, "[federation.policy]\nmax_peers = 3\n")
    (tmp_path / "foedus.toml").write_text(text)
    assert not book.reload()
    assert (book.trouble.code, book.current.policy.max_peers) == ("bad_policy", 3)


def test_a_pipe_in_place_of_the_file_does_not_stop_the_node(tmp_path):
    book = policy_book(tmp_path, "[federation.policy]\nmax_peers = 3\n")
    (tmp_path / "foedus.toml").unlink()
    os.mkfifo(tmp_path / "foedus.toml")
    assert not book.reload()
    assert (book.trouble.code, book.current.policy.max_peers) == ("bad_policy", 3)


def policy_book(folder, text):
    (folder / "foedus.toml").write_text(text)
    return PolicyBook(folder / "foedus.toml")
