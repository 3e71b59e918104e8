"""Rotation, restored backups, forks and stolen keys, between real nodes on loopback."""

import shutil

from tests.node.nodes import connect, share, street, until


def epoch_number(view):
    """The number of the epoch in which the node authors; -1 while it does not."""
    status = view.service.status()
    return status.identity.epoch_number if status.authoring else -1


async def test_keys_rotate_and_talk_goes_on(tmp_path):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        await connect(alice, bob)
        await alice.service.participant_add_custodial("scout")
        await share(alice, bob)
        await alice.say("before", "scout")
        await alice.service.key_rotate()
        await until(lambda: alice.is_linked(bob) and bob.peer(alice).epoch_number == 1, "bob follows")
        await alice.say("after", "scout")
        await until(lambda: bob.texts() == ["before", "after"], "both are there")
        assert all(message.verified for message in bob.service.messages("plans").messages)
        alice = await it.restart("alice")
        await alice.say("restarted", "scout")
        await until(lambda: bob.texts()[-1] == "restarted", "the new keys are kept")
        assert (await bob.service.verify()).ok


async def test_a_restored_backup_opens_an_epoch_and_convicts_nobody(tmp_path):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        await connect(alice, bob)
        await share(alice, bob)
        await alice.say("one")
        await until(lambda: bob.texts() == ["one"], "it arrives")
        await it.stop("alice")
        it.backup("alice")
        alice = await it.start("alice")
        await alice.say("two")
        await until(lambda: bob.texts() == ["one", "two"], "it arrives")
        await it.stop("alice")
        it.restore("alice")
        alice = await it.start("alice")
        await until(lambda: epoch_number(alice) == 1, "alice sees that she was restored")
        await until(lambda: alice.texts() == ["one", "two"], "and has what she had lost")
        await until(lambda: alice.is_linked(bob) and bob.peer(alice).epoch_number == 1, "bob follows")
        await alice.say("three")
        await until(lambda: bob.texts() == ["one", "two", "three"], "talk goes on")
        assert bob.service.status().contested_chains == 0
        for node in (alice, bob):
            assert (await node.service.verify()).ok


async def test_a_fork_becomes_a_proof_and_its_owner_heals_it_with_an_epoch(tmp_path):
    async with street(tmp_path) as it:
        alice, bob, carol = [await it.add(name) for name in ("alice", "bob", "carol")]
        await connect(alice, bob)
        await connect(alice, carol)
        await connect(bob, carol)
        await share(alice, bob, carol)
        await alice.say("one")
        await until(lambda: bob.texts() == ["one"] and carol.texts() == ["one"], "it arrives")
        await it.stop("carol")
        await it.stop("alice")
        it.backup("alice")
        alice = await it.start("alice")
        await alice.say("to bob")
        await until(lambda: bob.texts() == ["one", "to bob"], "bob has one history")
        await it.stop("alice")
        it.restore("alice")
        await it.stop("bob")
        alice, carol = await it.start("alice"), await it.start("carol")
        await until(lambda: alice.is_linked(carol), "alice meets carol first, who knows of nothing")
        await alice.say("to carol")
        await alice.say("and more to carol")
        await until(lambda: carol.texts() == ["one", "to carol", "and more to carol"], "carol has another history")
        bob = await it.start("bob")
        await until(lambda: epoch_number(alice) == 1, "alice learns of it and opens an epoch", 30)
        await alice.say("healed")
        for node in (alice, bob, carol):
            await until(lambda node=node: node.texts()[-1] == "healed", f"{node.name} goes on", 30)
        await until(lambda: alice.texts() == bob.texts() == carol.texts(), "all have one history", 30)
        assert [node.service.status().forks for node in (bob, carol)] == [1, 1]
        assert [node.service.status().contested_chains for node in (alice, bob, carol)] == [0, 0, 0]
        for node in (alice, bob, carol):
            assert (await node.service.verify()).ok


async def test_a_stolen_epoch_is_cut_off_by_the_recovery_key(tmp_path):
    async with street(tmp_path) as it:
        alice, bob = await it.add("alice"), await it.add("bob")
        await connect(alice, bob)
        await share(alice, bob)
        await alice.say("mine")
        await until(lambda: bob.texts() == ["mine"], "it arrives")
        await it.stop("alice")
        shutil.copytree(tmp_path / "alice", tmp_path / "thief")
        it.words["thief"], it.ports["thief"] = [], it.ports["alice"]
        thief = await it.start("thief")
        await thief.service.key_rotate()
        await thief.say("stolen words")
        await until(lambda: bob.texts() == ["mine", "stolen words"], "bob believes the thief")
        await it.stop("thief")
        alice = await it.start("alice")
        await alice.service.key_recover(" ".join(alice.words))
        await until(lambda: bob.peer(alice).held_epoch, "a second epoch in one day waits for bob")
        await bob.service.peer_follow("alice")
        await until(lambda: alice.is_linked(bob), "they meet again")
        await until(lambda: "stolen words" not in bob.texts(), "the stolen epoch is void")
        await alice.say("mine again")
        await until(lambda: [text for text in bob.texts() if text] == ["mine", "mine again"], "alice is back")


async def test_a_node_that_hears_while_it_fetches_that_its_keys_are_old_opens_nothing(tmp_path, monkeypatch):
    """It tried to with the old keys, and that was a mistake in the log of the node."""
    async with street(tmp_path) as it:
        alice = await it.add("alice")
        epochs, epoch = alice.node.epochs, alice.node.store.epoch

        async def fetch():
            monkeypatch.setattr(epochs, "_is_superseded", lambda: True)

        monkeypatch.setattr(epochs, "_fetch", fetch)
        epochs.saw_own()
        await epochs._restore
        assert alice.node.store.epoch == epoch
