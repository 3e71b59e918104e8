"""Members of a council seal its checkpoints, whoever is away, and a file shows that when Ed25519 has fallen."""

import asyncio
import json
import sys

import pytest

from foedus.base.errors import Unavailable
from foedus.consensus import verify_commit_proof
from foedus.consensus.seals import Seal
from foedus.node import council_seals
from foedus.node.council_inbox import Paces
from foedus.node.council_messages import HaveSeals, WantSeals
from foedus.node.council_seals import Sealing
from tests.node.councils import NAMES, all_hold, all_in, all_wish, connected, found, put, seat
from tests.node.nodes import until

FIVE = (*NAMES, "eve")
INTERVAL = 4


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(council_seals, "AGAIN_S", 0.05)


def sealed(node, council):
    return seat(node, council).sealing.sealed


async def all_sealed(nodes, council, place):
    await until(lambda: all(sealed(node, council) >= place for node in nodes), f"place {place} is sealed", 60)


async def make(nodes, council, upto):
    """Propose, one update after the other, until a place is made everywhere."""
    made = None
    while made is None or made.sequence < upto:
        made = await put(nodes[0], council, "k", b"v")
    await until(lambda: all(seat(node, council).made >= upto for node in nodes), f"all made place {upto}", 60)
    return made


async def test_a_file_shows_by_seals_what_was_made_while_one_was_away_and_that_one_gathers_them(tmp_path):
    async with connected(tmp_path) as (it, nodes):
        council = await found(nodes, interval=INTERVAL, seal=True)
        first = await put(nodes[0], council, "colour", b"green")
        early = verify_commit_proof(await nodes[0].node.councils.proof(council, first.sequence), council)
        assert early.sealed_by == ()
        assert nodes[0].service.council("board").sealed == 0

        await it.stop("dora")
        three = nodes[:3]
        await make(three, council, INTERVAL + 1)
        await all_sealed(three, council, INTERVAL)
        assert nodes[0].service.council("board").sealed >= INTERVAL
        data = await nodes[2].node.councils.proof(council, first.sequence, first.position)
        for seals_only in (False, True):
            proved = verify_commit_proof(data, council, seals_only=seals_only)
            assert proved.sequence == first.sequence
            assert set(proved.sealed_by) == {node.node.store.node for node in three}

        file = tmp_path / "file"
        file.write_bytes(data)
        ran = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "foedus.surfaces.cli.main", "council", "verify", str(file), "--seals", "--json",
            "--council", council.hex(), stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        shown, _ = await ran.communicate()
        assert len(json.loads(shown)["sealed_by"]) == 3

        dora = await it.start("dora")
        await until(lambda: all(dora.is_linked(node) for node in three), "it is linked again", 60)
        proved = await shown_by([*three, dora], dora, council)
        assert len(proved.sealed_by) == 3


async def shown_by(nodes, node, council, epoch=0):
    """What a node shows by seals of an update of an epoch: it may have been given the state of places before."""
    while True:
        for made in reversed(node.node.councils.made(council, 0, 1_000)):
            if made.batch.updates and made.certificate.sequence <= sealed(node, council):
                data = await node.node.councils.proof(council, made.certificate.sequence)
                if verify_commit_proof(data, council).sealed_by:
                    proved = verify_commit_proof(data, council, seals_only=True)
                    if proved.epoch == epoch:
                        return proved
        await make(nodes, council, seat(nodes[0], council).made + INTERVAL)


async def test_ends_of_epochs_are_sealed_so_that_keys_may_change_and_members_come(tmp_path):
    async with connected(tmp_path, FIVE) as (_, nodes):
        four, eve = nodes[:4], nodes[4]
        council = await found(four, interval=INTERVAL, seal=True)
        await put(four[0], council, "k", b"1")
        await all_wish(four[:3], council, eve, add=True)
        await until(lambda: seat(eve, council).state() == "asked", "it is invited")
        await eve.node.councils.join(council)
        await all_in(nodes, council, 1)
        bob = four[1]
        await bob.node.epochs.rotate()
        await all_in(nodes, council, 2)
        await all_hold(nodes, council, "k", b"1")
        for node in (eve, bob, four[3]):
            proved = await shown_by(nodes, node, council, 2)
            assert (len(proved.members), len(proved.sealed_by)) == (5, 4)


async def test_what_nobody_sealed_counts_for_nothing(tmp_path, monkeypatch):
    async with connected(tmp_path) as (_, nodes):
        council = await found(nodes, interval=INTERVAL, seal=True)
        alice = nodes[0]
        sealing = seat(alice, council).sealing
        hear, heard, me = sealing.hear, [], seat(alice, council).my_index()
        monkeypatch.setattr(sealing, "hear", lambda *told: heard.append(told))
        await make(nodes, council, INTERVAL)

        def others():
            told = [said for _, said in heard if isinstance(said, HaveSeals) and said.sequence == INTERVAL]
            return {seal.member: seal for said in told for seal in said.seals if seal.member != me}

        await until(lambda: len(others()) >= 2, "others sealed it")
        await until(lambda: len(sealing._open[INTERVAL].seals) == 1, "it sealed it itself")
        liar, (one, other, *_) = nodes[1].node.store.node, others().values()
        third = next(index for index in range(4) if index not in {me, one.member, other.member})
        for seals in (
            (Seal(third, bytes(3309)), one, other),
            (Seal(30, one.signature), one, other),
            (Seal(third, one.signature), one, other),
            (one, one),
        ):
            hear(liar, HaveSeals(INTERVAL, seals))
        hear(bytes(32), HaveSeals(INTERVAL, (one, other)))
        await until(lambda: len(sealing._open[INTERVAL].seals) == 2, "its own, and one that is true")
        assert sealing.sealed == 0
        hear(liar, HaveSeals(INTERVAL, (other,)))
        await until(lambda: sealing.sealed == INTERVAL, "a quorum")
        await who_asks_is_told_what_is_held_and_not_too_often(seat(alice, council), liar, monkeypatch)


async def who_asks_is_told_what_is_held_and_not_too_often(place, asker, monkeypatch):
    told, answers = [], []
    monkeypatch.setattr(place, "say", lambda node, said: told.append((node, said)))
    monkeypatch.setattr(place, "spawn", answers.append)
    place.sealing._asked = Paces()
    for _ in range(5):
        Sealing.hear(place.sealing, asker, WantSeals((INTERVAL, 400)))
    Sealing.hear(place.sealing, bytes(32), WantSeals((INTERVAL,)))
    assert len(answers) == 2, "as many as a pause lets pass at once"
    for answer in answers:
        await answer
    to_asker = [said for node, said in told if node == asker and isinstance(said, HaveSeals)]
    assert [(said.sequence, len(said.seals)) for said in to_asker] == 2 * [(INTERVAL, 3)]


async def test_seals_that_no_disk_took_are_kept_once_it_does(tmp_path, monkeypatch):
    async with connected(tmp_path) as (it, nodes):
        council = await found(nodes, interval=INTERVAL, seal=True)
        alice = nodes[0]
        commit, failed = alice.node.store.commit, []
        space = seat(alice, council).records.seals._kept

        async def fails(wanted):
            if any(value.space == space and seals_in(value) for value in wanted.values):
                failed.append(wanted)
                raise Unavailable("the disk is full")
            return await commit(wanted)

        monkeypatch.setattr(alice.node.store, "commit", fails)
        await make(nodes, council, INTERVAL + 1)
        await until(lambda: len(failed) > 1, "it is tried again")
        assert sealed(alice, council) == 0
        assert not any(it.seals for it in checkpoints(alice, council))
        alice = await it.restart("alice")
        await until(lambda: any(len(it.seals) == 3 for it in checkpoints(alice, council)), "they are kept", 60)


def checkpoints(node, council):
    return seat(node, council).records.seals.between(0, 1_000)


def seals_in(value):
    return value.value is not None and len(value.value) > 3309
