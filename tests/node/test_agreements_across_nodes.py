"""Two real nodes change what they agreed: by proposal, counter and signature, through crashes and partitions."""

from __future__ import annotations

import secrets
from contextlib import suppress

import pytest

from foedus.base.base64url import from_base64url, to_base64url
from foedus.base.errors import UsageError
from foedus.base.limits import SECOND
from foedus.crypto.ed25519 import Ed25519Key
from foedus.crypto.labels import signed_bytes
from foedus.identity.did import did_of
from foedus.log.bodies import SHAPES
from foedus.log.streams import pair
from foedus.node import agreement_line
from foedus.surfaces.cli.signing import Draft, Moment, signed_act
from foedus.trust.agreement import sign
from foedus.trust.agreements.terms import SideTerms, Terms
from foedus.values.agreements import HumanWord
from tests.node import people
from tests.node.nodes import connect, share, street, until


async def two(it, *, first=True):
    """Two connected nodes, the one with the smaller id first (or last)."""
    nodes = [await it.add("alice"), await it.add("bob")]
    await connect(*nodes)
    nodes.sort(key=lambda node: node.id, reverse=not first)
    return nodes


def version(node, peer):
    return node.service.agreements.show(peer.id).in_force.version


def in_force(node, peer):
    return node.service.agreements.show(peer.id).in_force.id


async def propose(node, peer, terms, human=None, **options):
    drafted = node.service.agreements.draft(peer.id, terms)
    await node.service.agreements.propose(peer.id, drafted.document, human=human, **options)
    return drafted


async def agree(proposer, signer, terms, ada=None, *, proposed_by=None):
    """Propose (with a person's word), sign (with the word of ``ada``), and wait until it is in force at both."""
    drafted = proposer.service.agreements.draft(signer.id, terms)
    human = proposed_by and word(proposed_by.key, drafted.document)
    await proposer.service.agreements.propose(signer.id, drafted.document, human=human)
    await until(lambda: drafted.id in signer.service.agreements.show(proposer.id).waits_for_us, "the proposal arrives")
    await signer.service.agreements.sign(proposer.id, drafted.id, ada and word(ada.key, drafted.document))
    for one, other in ((proposer, signer), (signer, proposer)):
        await until(lambda one=one, other=other: in_force(one, other) == drafted.id, f"in force at {one.name}")
    return drafted


def kinds(node, peer):
    stream = pair(bytes.fromhex(node.id), bytes.fromhex(peer.id))
    return [view.kind for view in node.service.events(limit=1000, stream=stream).events]


def troubles(node):
    return [it.code for it in node.service.status().troubles]


@pytest.mark.parametrize("first", [True, False], ids=["the smaller proposes", "the larger proposes"])
async def test_a_proposal_that_both_signed_comes_in_force_at_both(tmp_path, first):
    async with street(tmp_path) as it:
        one, other = await two(it, first=first)
        drafted = await propose(one, other, Terms(humans="named", theirs=SideTerms(rate=60)))
        assert [(change.clause, change.about) for change in drafted.changes] == [("rates", "them"), ("humans", "")]
        await until(lambda: other.service.agreements.show(one.id).waits_for_us, "it waits for the other")
        assert "agreement_proposed" in troubles(other)
        assert (version(one, other), version(other, one)) == (1, 1)
        seen = other.service.agreements.diff(one.id)
        assert [(change.clause, change.about) for change in seen] == [("rates", "us"), ("humans", "")]
        await other.service.agreements.sign(one.id, drafted.id)
        await until(lambda: version(one, other) == version(other, one) == 2, "both have version 2")
        assert in_force(one, other) == in_force(other, one) == drafted.id
        assert not {"agreement_proposed"} & {*troubles(one), *troubles(other)}
        states = [(view.version, view.state) for view in one.service.agreements.history(other.id)]
        assert states == [(1, "replaced"), (2, "in force")]
        assert all(kind in SHAPES for kind in kinds(one, other))


async def test_a_counter_proposal_takes_the_place_of_the_first(tmp_path):
    async with street(tmp_path) as it:
        one, other = await two(it)
        asked = await propose(one, other, Terms(retention_days=30))
        await until(lambda: other.service.agreements.show(one.id).waits_for_us, "it arrives")
        counter = await propose(other, one, Terms(retention_days=90), answers=asked.id)
        await until(lambda: one.service.agreements.show(other.id).waits_for_us == [counter.id], "the counter arrives")
        await one.service.agreements.sign(other.id, counter.id)
        await until(lambda: in_force(other, one) == counter.id, "the counter is in force")
        states = {view.id: view.state for view in other.service.agreements.history(one.id)}
        assert (states[asked.id], states[counter.id]) == ("overtaken", "in force")
        with pytest.raises(UsageError) as refused:
            await other.service.agreements.sign(one.id, asked.id)
        assert refused.value.code == "wrong_state"


async def test_what_is_declined_or_withdrawn_can_no_longer_be_signed(tmp_path):
    async with street(tmp_path) as it:
        one, other = await two(it)
        asked = await propose(one, other, Terms(retention_days=30))
        await until(lambda: other.service.agreements.show(one.id).waits_for_us, "it arrives")
        await other.service.agreements.decline(one.id)
        await until(lambda: not one.service.agreements.show(other.id).proposals, "the no arrives")
        again = await propose(one, other, Terms(retention_days=60))
        await until(lambda: other.service.agreements.show(one.id).waits_for_us, "the second arrives")
        await one.service.agreements.withdraw(other.id, again.id)
        await until(lambda: not other.service.agreements.show(one.id).waits_for_us, "it is withdrawn")
        for drafted in (asked, again):
            with pytest.raises(UsageError):
                await other.service.agreements.sign(one.id, drafted.id)
        assert (version(one, other), version(other, one)) == (1, 1)


async def test_only_the_rooms_that_are_named_pass(tmp_path):
    async with street(tmp_path) as it:
        one, other = await two(it)
        plans = await share(one, other)
        await share(one, other, room="gossip")
        await other.say("before", room="gossip")
        await until(lambda: one.texts("gossip") == ["before"], "it arrives")
        await agree(one, other, Terms(rooms=[plans]))
        await one.say("in the open", room="plans")
        await one.say("behind the door", room="gossip")
        await until(lambda: other.texts() == ["in the open"], "what is allowed arrives")
        assert other.texts("gossip") == ["before"]
        (view,) = one.service.messages("gossip").messages[:1]
        assert (view.text, view.why_not) == (None, "agreement.rooms")
        await agree(other, one, Terms(rooms="shared"))
        await until(lambda: other.texts("gossip") == ["before", "behind the door"], "it flows again")
        assert one.texts("gossip") == ["before", "behind the door"]


async def test_a_direction_that_is_closed_is_closed_at_both_doors(tmp_path):
    async with street(tmp_path) as it:
        one, other = await two(it)
        await share(one, other)
        await agree(one, other, Terms(theirs=SideTerms(directions=["knowledge"])))
        await other.say("you must not hear this")
        await one.say("listen")
        await until(lambda: "listen" in other.texts(), "the other way is open")
        assert one.texts() == ["listen"]
        other.node.audience.terms = lambda _node: None  # the other node stops keeping to it
        for link in other.node.links.all():
            other.node.outbox.reoffer(link)
        await until(lambda: one.peer(other).refused.get("agreement.directions.room"), "the push is refused by name")
        assert one.texts() == ["listen"]


async def test_an_agreement_that_expired_lets_nothing_of_rooms_through_until_another_follows(tmp_path):
    async with street(tmp_path) as it:
        one, other = await two(it)
        await share(one, other)
        await agree(one, other, Terms(expires=one.node.store.now() + 2 * SECOND))
        assert "agreement_expires" in troubles(one)
        await one.say("in time")
        await until(lambda: other.texts() == ["in time"], "it arrives")
        await until(lambda: one.service.agreements.show(other.id).in_force.state == "expired", "it expires")
        await one.say("too late")
        await agree(other, one, Terms(expires=0))
        await until(lambda: other.texts() == ["in time", "too late"], "it arrives when a version follows")
        assert not {"agreement_expires"} & set(troubles(one))


async def test_crossing_proposals_end_with_one_version(tmp_path):
    async with street(tmp_path) as it:
        small, large = await two(it)
        mine = await propose(small, large, Terms(retention_days=1))
        theirs = await propose(large, small, Terms(retention_days=2))
        await until(lambda: small.service.agreements.show(large.id).waits_for_us, "it crosses")
        await until(lambda: large.service.agreements.show(small.id).waits_for_us, "it crosses")
        for link in [*small.node.links.all(), *large.node.links.all()]:
            link.close("lost", "a partition")
        await small.service.agreements.sign(large.id, theirs.id)
        with suppress(UsageError):  # where the final signature was faster
            await large.service.agreements.sign(small.id, mine.id)
        await until(lambda: in_force(small, large) == in_force(large, small) == theirs.id, "the same at both")
        states = {view.id: view.state for view in large.service.agreements.history(small.id)}
        assert states[mine.id] == "overtaken"


async def test_the_smaller_node_finalises_after_a_crash(tmp_path):
    async with street(tmp_path) as it:
        small, large = await two(it)
        drafted = await propose(small, large, Terms(retention_days=7))
        await until(lambda: large.service.agreements.show(small.id).waits_for_us, "it arrives")
        await it.stop(small.name)
        await large.service.agreements.sign(small.id, drafted.id)
        assert version(large, small) == 1
        large = await it.restart(large.name)
        assert large.service.agreements.history(small.id)[-1].state == "signed"
        small = await it.start(small.name)
        await until(lambda: in_force(small, large) == in_force(large, small) == drafted.id, "in force at both")
        small = await it.restart(small.name)
        assert in_force(small, large) == drafted.id
        assert kinds(small, large).count("agreement.sign") == 4


async def test_a_final_signature_that_was_withdrawn_in_time_never_comes(tmp_path):
    async with street(tmp_path) as it:
        small, large = await two(it)
        drafted = await propose(small, large, Terms(retention_days=7))
        await until(lambda: large.service.agreements.show(small.id).waits_for_us, "it arrives")
        await it.stop(large.name)
        await small.service.agreements.withdraw(large.id, drafted.id)
        await it.stop(small.name)
        large = await it.start(large.name)
        await large.service.agreements.sign(small.id, drafted.id)
        small = await it.start(small.name)
        await until(
            lambda: large.service.agreements.history(small.id)[-1].state == "withdrawn", "the withdrawal arrives"
        )
        assert small.service.agreements.history(large.id)[-1].state == "withdrawn"
        assert (version(small, large), version(large, small)) == (1, 1)


async def test_either_side_ends_it_at_once_and_a_new_connection_begins_anew(tmp_path):
    async with street(tmp_path) as it:
        one, other = await two(it)
        await agree(one, other, Terms(retention_days=7))
        told = await other.service.agreements.terminate(one.id, "we are done")
        assert (told.in_force.state, told.proposals) == ("ended", [])
        await until(lambda: one.peer(other).state == "disconnected", "the other is told")
        await until(lambda: "agreement.end" in kinds(other, one), "the end is noted")
        assert other.service.agreements.show(one.id).in_force.state == "ended"
        with pytest.raises(UsageError):
            await propose(other, one, Terms(retention_days=9))
        await connect(one, other)
        assert (version(one, other), version(other, one)) == (1, 1)
        await agree(other, one, Terms(retention_days=8))


async def test_an_end_that_the_disk_heard_of_last_is_noted_after_the_restart(tmp_path):
    async with street(tmp_path) as it:
        one, other = await two(it)
        await until(lambda: kinds(one, other).count("agreement.sign") == 2, "both have noted the starter")
        one.node.peers.on_disconnected = lambda _peer: None  # the crash comes before the note is written
        await one.service.peer_disconnect(other.id)
        assert "agreement.end" not in kinds(one, other)
        one = await it.restart(one.name)
        await until(lambda: "agreement.end" in kinds(one, other), "the end is noted")


async def test_an_end_in_the_stream_alone_ends_the_connection(tmp_path):
    async with street(tmp_path) as it:
        one, other = await two(it)
        root = bytes.fromhex(in_force(one, other))
        await one.node.agreements.write(bytes.fromhex(other.id), "agreement.end", {"agreement": root})
        await until(lambda: other.peer(one).state == "disconnected", "the other takes the end from the stream")


async def test_a_former_version_that_is_pushed_again_changes_nothing(tmp_path):
    async with street(tmp_path) as it:
        small, large = await two(it)
        await agree(small, large, Terms(retention_days=7))
        last = await agree(large, small, Terms(rooms=[]))
        stream = pair(bytes.fromhex(small.id), bytes.fromhex(large.id))
        rows = [row for row in small.node.log.since(0, 1000, stream) if row.kind.startswith("agreement.")]
        for node in (small, large):
            acts = [node.node.author.node_act(stream, row.kind, row.envelope.body) for row in rows]
            await node.node.author.order(acts)
        for one, other in ((small, large), (large, small)):
            await until(
                lambda one=one, other=other: len(kinds(one, other)) >= 3 * len(rows), "what was replayed arrives"
            )
        assert in_force(small, large) == in_force(large, small) == last.id
        await it.restart(small.name)
        assert in_force(it.running[small.name], large) == last.id


async def test_a_version_by_a_signature_that_nobody_here_knows_of_is_told_and_can_be_ended(tmp_path):
    """A peer that has a former key of the node with the larger id: the limit that docs/agreements.md names."""
    async with street(tmp_path) as it:
        small, large = await two(it)
        await agree(small, large, Terms(retention_days=7))
        assert troubles(large) == troubles(small) == []
        leaked = large.node.store.keys.ed25519
        await large.service.key_rotate()
        await until(lambda: small.is_linked(large) and small.peer(large).epoch_number == 1, "they meet again")
        document = from_base64url(small.service.agreements.draft(large.id, Terms(retention_days=9_000)).document)
        signatures = [sign(small.node.store.keys.ed25519, document), sign(leaked, document)]
        body = {"agreement": document, "signatures": signatures, "human": None}
        await small.node.agreements.write(bytes.fromhex(large.id), "agreement.sign", body)
        await until(lambda: "agreement_not_ours" in troubles(large), "its people are told")
        assert troubles(small) == []
        await large.service.peer_disconnect(small.id)
        await until(lambda: small.peer(large).state == "disconnected", "and end it")


# --- humans --------------------------------------------------------------------------------------


async def enrol(node, name):
    """Enrol a human with a device key at a node; return the key."""
    key = Ed25519Key(secrets.token_bytes(32))
    body = {"did": did_of(key.public), "node": node.node.store.node, "kind": "human", "name": name}
    body |= {"custody": "device", "device": key.public, "possession": None, "recovery": None}
    await act_of(node, key, "device.enrol", body)
    return key


async def act_of(node, key, kind, body, auth=()):
    """Order an act that a human's device signs in their own stream."""
    did, store = did_of(key.public), node.node.store
    moment = Moment(store.epoch, store.now(), secrets.token_bytes(16), secrets.token_bytes(32))
    act = signed_act(key, Draft(did, f"participant:{did}", kind, body, auth), moment)
    return await node.service.participant_act(did, act)


async def revoke(node, key):
    """Revoke a human's device, without a cut for anything."""
    (who,) = [it for it in node.service.participants() if it.did == did_of(key.public)]
    enrolment = bytes.fromhex(who.devices[0].enrolment)
    await act_of(node, key, "device.revoke", {"device": key.public, "cuts": []}, (enrolment,))


def word(key, document):
    signature = key.sign(signed_bytes("agreement", from_base64url(document)))
    return HumanWord(did=did_of(key.public), device=key.public.hex(), signature=to_base64url(signature))


@pytest.mark.parametrize("first", [True, False], ids=["the smaller proposes", "the larger proposes"])
async def test_where_humans_are_named_one_of_them_approves_and_the_other_node_checks_it(tmp_path, first):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        keys = {alice.id: await enrol(alice, "Ada"), bob.id: await enrol(bob, "Bo")}
        await connect(alice, bob)
        one, other = sorted([alice, bob], key=lambda node: node.id, reverse=not first)
        terms = Terms(retention_days=7)
        with pytest.raises(UsageError) as refused:
            await propose(one, other, terms)
        assert refused.value.code == "signer_needed"
        stranger = await enrol(one, "Eve")
        drafted = one.service.agreements.draft(other.id, terms)
        for wrong in (word(stranger, drafted.document), word(keys[other.id], drafted.document)):
            with pytest.raises(UsageError):
                await one.service.agreements.propose(other.id, drafted.document, human=wrong)
        human = word(keys[one.id], drafted.document)
        await one.service.agreements.propose(other.id, drafted.document, human=human)
        await until(lambda: other.service.agreements.show(one.id).waits_for_us == [drafted.id], "it arrives")
        with pytest.raises(UsageError):
            await other.service.agreements.sign(one.id, drafted.id)
        await other.service.agreements.sign(one.id, drafted.id, word(keys[other.id], drafted.document))
        await until(lambda: in_force(one, other) == in_force(other, one) == drafted.id, "in force")
        assert other.service.agreements.history(one.id)[-1].human == human.did


async def named(it):
    """Two connected nodes with a human each, whom the starter names, and the keys of the two."""
    alice, bob = await it.add("alice"), await it.add("bob")
    keys = {alice.id: await enrol(alice, "Ada"), bob.id: await enrol(bob, "Bo")}
    await connect(alice, bob)
    return sorted([alice, bob], key=lambda node: node.id), keys


async def test_nothing_is_signed_on_the_word_of_a_device_that_was_revoked(tmp_path):
    async with street(tmp_path) as it:
        (small, large), keys = await named(it)
        drafted = small.service.agreements.draft(large.id, Terms(retention_days=7))
        await small.service.agreements.propose(large.id, drafted.document, human=word(keys[small.id], drafted.document))
        await until(lambda: large.service.agreements.show(small.id).waits_for_us, "it arrives")
        await revoke(small, keys[small.id])
        did = did_of(keys[small.id].public)
        await until(lambda: [who for who in large.service.participants(did) if who.devices[0].revoked], "it is known")
        with pytest.raises(UsageError) as refused:
            await large.service.agreements.sign(small.id, drafted.id, word(keys[large.id], drafted.document))
        assert refused.value.code == "wrong_state"


async def test_a_device_revoked_later_brings_no_former_version_back(tmp_path):
    async with street(tmp_path) as it:
        (small, large), keys = await named(it)
        drafted = small.service.agreements.draft(large.id, Terms(rooms=[]))
        await small.service.agreements.propose(large.id, drafted.document, human=word(keys[small.id], drafted.document))
        await until(lambda: large.service.agreements.show(small.id).waits_for_us, "it arrives")
        await large.service.agreements.sign(small.id, drafted.id, word(keys[large.id], drafted.document))
        await until(lambda: in_force(large, small) == drafted.id, "in force")
        for node, other in ((small, large), (large, small)):
            await revoke(node, keys[node.id])
            did = did_of(keys[node.id].public)
            await until(
                lambda did=did, other=other: [it for it in other.service.participants(did) if it.devices[0].revoked],
                "it is known",
            )
        await large.node.epochs.rotate()
        await it.restart(small.name)
        small = it.running[small.name]
        await until(lambda: small.is_linked(large) and large.is_linked(small), "they meet again")
        assert in_force(small, large) == in_force(large, small) == drafted.id


async def test_a_proposal_without_the_human_that_it_needs_does_not_count(tmp_path):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        await enrol(alice, "Ada")
        await connect(alice, bob)
        drafted = alice.service.agreements.draft(bob.id, Terms(retention_days=7))
        data = from_base64url(drafted.document)
        body = {"agreement": data, "signature": sign(alice.node.store.keys.ed25519, data), "human": None}
        await alice.node.agreements.write(bytes.fromhex(bob.id), "agreement.propose", body)
        await until(lambda: "agreement.propose" in kinds(bob, alice), "it arrives")
        assert not bob.service.agreements.show(alice.id).waits_for_us
        with pytest.raises(UsageError):
            await bob.service.agreements.sign(alice.id, drafted.id)


# --- border acts ---------------------------------------------------------------------------------


async def test_border_acts_are_judged_by_the_version_in_force(tmp_path):
    async with street(tmp_path) as it:
        host, guest = await it.add("host"), await it.add("guest")
        ada = await people.enrol(guest, "ada")
        await connect(guest, host)
        await share(host, guest)
        await ada.say("as agreed")
        await until(lambda: host.texts() == ["as agreed"], "it arrives")
        await agree(host, guest, Terms(humans="named", theirs=SideTerms(signers=[])), ada=ada)
        with pytest.raises(UsageError) as refused:
            await ada.say("not named any more")
        assert refused.value.code == "agreement.humans"
        assert [view.why_not for view in host.service.messages("plans").messages] == ["agreement.humans"]
        await agree(host, guest, Terms(humans="enrolled", theirs=SideTerms(commands=["/foedus/query"])))
        assert [view.why_not for view in host.service.messages("plans").messages] == ["agreement.commands"]
        await agree(guest, host, Terms(ours=SideTerms(commands=["/foedus/room"])))
        assert host.texts() == ["as agreed"]


async def test_what_is_not_about_agreements_has_no_chain_read_again(tmp_path, monkeypatch):
    """Each device that anybody enrolled, and each verdict that changed, had the whole history of every pair read."""
    async with street(tmp_path) as it:
        a, b = await two(it)
        await share(a, b)
        await agree(a, b, Terms(theirs=SideTerms(rate=600)))
        log, read = b.node.store.log, []
        chain = log.chain
        monkeypatch.setattr(log, "chain", lambda *args: read.append(args[1]) or chain(*args))
        eve = await people.enrol(a, "eve")
        await eve.say("hello")
        await until(lambda: b.texts() == ["hello"], "it arrives")
        assert [stream for stream in read if stream.startswith("pair:")] == []


async def test_proposals_beyond_the_bound_cost_nothing_but_their_signatures(tmp_path, monkeypatch):
    """What counts nowhere had how the line stands worked out again, which takes longer the more is kept."""
    async with street(tmp_path) as it:
        a, b = await two(it)
        await until(lambda: kinds(b, a).count("agreement.sign") == 2, "both have noted the starter")
        line = b.node.agreements.line(bytes.fromhex(a.id))
        before = line.standing
        monkeypatch.setattr("foedus.trust.agreements.ledger.DOCUMENT_BYTES_MAX", 1)
        await propose(a, b, Terms(theirs=SideTerms(rate=600)))
        await until(lambda: "agreement.propose" in kinds(b, a), "it arrives")
        assert line.standing is before


async def test_a_word_of_a_device_that_comes_later_counts_and_has_no_history_read_again(tmp_path, monkeypatch):
    """Each device that a peer enrolled had its whole history read, while one word of it was by no device of its own."""
    async with street(tmp_path) as it:
        a, b = await two(it)
        key = Ed25519Key(secrets.token_bytes(32))
        drafted = a.service.agreements.draft(b.id, Terms(retention_days=7))
        data = from_base64url(drafted.document)
        human = [did_of(key.public), key.public, key.sign(signed_bytes("agreement", data))]
        body = {"agreement": data, "signature": sign(a.node.store.keys.ed25519, data), "human": human}
        await a.node.agreements.write(bytes.fromhex(b.id), "agreement.propose", body)
        await until(lambda: "agreement.propose" in kinds(b, a), "it arrives")
        assert not b.service.agreements.show(a.id).waits_for_us
        log, read = b.node.store.log, []
        chain = log.chain
        monkeypatch.setattr(log, "chain", lambda *args: read.append(args[1]) or chain(*args))
        await people.enrol(a, "eve")
        await until(lambda: "eve" in {who.name for who in b.service.participants()}, "another one is enrolled")
        assert not b.service.agreements.show(a.id).waits_for_us
        await people.enrol(a, "ada", key=key)
        await until(lambda: b.service.agreements.show(a.id).waits_for_us == [drafted.id], "the word counts now")
        assert [stream for stream in read if stream.startswith("pair:")] == []


async def test_what_a_peer_refuses_costs_the_same_however_much_was_proposed(tmp_path, monkeypatch):
    """Each document that it declined, be there one or not, had every proposal looked at."""
    async with street(tmp_path) as it:
        a, b = await two(it)
        await until(lambda: kinds(b, a).count("agreement.sign") == 2, "both have noted the starter")
        drafted = await propose(b, a, Terms(theirs=SideTerms(rate=600)))
        looked = []
        whole = agreement_line.standing
        monkeypatch.setattr(agreement_line, "standing", lambda *args: looked.append(1) or whole(*args))
        for refused in (secrets.token_bytes(32), bytes.fromhex(drafted.id)):
            await a.node.agreements.write(bytes.fromhex(b.id), "agreement.decline", {"agreement": refused})
        await until(lambda: kinds(b, a).count("agreement.decline") == 2, "it arrives")
        await b.node.store.put()  # what was in the log before this is published
        assert looked == []
        assert b.service.agreements.show(a.id).proposals == []
