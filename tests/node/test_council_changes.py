"""Members of a council come, go and change their keys, by its own decision and at the border of an epoch."""

from itertools import combinations

import pytest
from msgspec.structs import replace

from foedus.base.errors import FoedusError, Unavailable
from foedus.consensus import verify_commit_proof
from foedus.consensus.board import first_ledger
from foedus.consensus.messages import HaveState, Stable
from foedus.node import council_driver
from foedus.node.council_fetch import StartFetch, ledger_at
from foedus.node.council_messages import At, Ends
from tests.consensus.world import membership_of
from tests.node.councils import NAMES, all_hold, all_in, all_wish, connected, epoch, found, put, root, seat
from tests.node.nodes import until

FIVE = (*NAMES, "eve")


def of(council, node):
    return seat(node, council).state()


async def test_members_come_and_change_their_keys_and_go_as_the_council_decides(tmp_path):
    async with connected(tmp_path, FIVE) as (it, nodes):
        four, eve = nodes[:4], nodes[4]
        council = await found(four)
        before = await put(four[0], council, "k", b"1")
        await all_wish(four[:3], council, eve, add=True)
        await until(lambda: of(council, eve) == "asked", "it is invited")
        await put(four[0], council, "k", b"2")
        assert epoch(four[0], council) == 0  # nobody is added whose human did not join
        with pytest.raises(FoedusError, match="no member"):
            await put(eve, council, "k", b"3")

        await eve.node.councils.join(council)
        await all_in(nodes, council, 1)
        await all_hold(nodes, council, "k", b"2")
        after = await put(eve, council, "k", b"3")
        await all_hold(nodes, council, "k", b"3")
        await until(lambda: len({root(node, council) for node in nodes}) == 1, "one state")
        assert verify_commit_proof(await four[1].node.councils.proof(council, before.sequence), council).epoch == 0
        proved = verify_commit_proof(await eve.node.councils.proof(council, after.sequence, after.position), council)
        assert proved.epoch == 1
        assert eve.node.store.node in proved.members

        bob = four[1]
        await bob.node.epochs.rotate()
        await all_in(nodes, council, 2)
        await put(bob, council, "k", b"4")
        await all_hold(nodes, council, "k", b"4")

        out, left = four[3], [*four[:3], eve]
        await all_wish(left, council, out, add=False)
        await all_in(left, council, 3)
        await until(lambda: of(council, out) == "removed", "it knows that it is out")
        await put(left[1], council, "k", b"5")
        await all_hold(left, council, "k", b"5")
        await four[0].node.audit.flush()
        rows = (await four[0].service.audit_rows(after="0", limit=1_000)).rows
        noted = [(row.actor, row.rule, row.outcome) for row in rows if row.subject == f"council:{council.hex()}"]
        assert noted == [
            ("node", "epoch 0", "begun"),
            (eve.id, "epoch 1", "added"),
            (bob.id, "epoch 2", "new keys"),
            (out.id, "epoch 3", "removed"),
        ]
        again = await it.restart(out.name)
        assert of(council, again) == "removed"
        with pytest.raises(FoedusError, match="no member"):
            await put(again, council, "k", b"6")


async def test_who_was_away_as_an_epoch_ended_follows_and_all_find_it_again_after_a_restart(tmp_path):
    async with connected(tmp_path, FIVE) as (it, nodes):
        council = await found(nodes[:4])
        await put(nodes[0], council, "k", b"1")
        await it.stop("dora")
        here = nodes[:3]
        await all_wish(here, council, nodes[4], add=True)
        await until(lambda: of(council, nodes[4]) == "asked", "it is invited")
        await nodes[4].node.councils.join(council)
        here.append(nodes[4])
        await all_in(here, council, 1)
        await put(here[0], council, "k", b"2")
        dora = await it.start("dora")
        assert epoch(dora, council) == 0
        await all_in([dora], council, 1)
        await all_hold([dora], council, "k", b"2")
        for name in FIVE:
            await it.stop(name)
        again = [await it.start(name) for name in FIVE]
        assert {epoch(node, council) for node in again} == {1}
        await until(lambda: all(a.is_linked(b) for a, b in combinations(again, 2)), "all are linked", 60)
        await put(again[4], council, "k", b"3")
        await all_hold(again, council, "k", b"3")

        seated = seat(again[0], council)
        true = seated.line.renewals[0]
        votes = true.stable.votes
        lies = [
            replace(true, stable=replace(true.stable, votes=votes[:2])),
            replace(true, members=true.members[:4]),
            replace(true, stable=replace(true.stable, sequence=true.stable.sequence + 8)),
        ]
        for lie in lies:
            await seated._take_ends(again[1].node.store.node, Ends(1, (lie,)))
        seated.hear_beside(again[1].node.store.node, At(7))
        assert epoch(again[0], council) == 1
        await put(again[0], council, "k", b"4")


async def test_an_end_of_an_epoch_that_does_not_reach_the_disk_has_not_been(tmp_path, monkeypatch):
    monkeypatch.setattr(council_driver, "RETRY_S", 0.05)
    async with connected(tmp_path) as (it, nodes):
        council = await found(nodes)
        await put(nodes[0], council, "k", b"1")
        bob, dora = nodes[1], nodes[3]
        keep, failed = bob.node.store.keep, []

        def fail_at_the_end(values):
            if len(failed) < 2 and any(value.space.startswith("council_epochs") for value in values):
                failed.append(epoch(bob, council))
                raise Unavailable("the disk is full")
            return keep(values)

        monkeypatch.setattr(bob.node.store, "keep", fail_at_the_end)
        await dora.node.epochs.rotate()
        await all_in(nodes, council, 1)
        assert failed == [0, 0]
        await put(bob, council, "k", b"2")
        await all_hold(nodes, council, "k", b"2")
        bob = await it.restart("bob")
        assert epoch(bob, council) == 1
        assert seat(bob, council).line.renewals == seat(nodes[0], council).line.renewals


def test_a_state_that_no_quorum_signed_is_not_begun_with_and_another_is_asked():
    membership = membership_of(4)
    ledger = first_ledger(membership)
    state = ledger.snapshot()
    certificate = Stable(0, ledger.root(), ())
    asked = []
    fetch = StartFetch(certificate, 4, 1, lambda member, said: asked.append((member, said.part)))
    fetch.ask()
    assert asked == [(2, 0)]
    assert fetch.take(3, HaveState(0, 0, 1, state)) is None
    wrong = fetch.take(2, HaveState(0, 0, 1, state[:-1] + b"\x01"))
    assert ledger_at(certificate, wrong, membership) is None
    fetch.begin_again()
    fetch.ask()
    assert asked[-1][0] in {3, 0}
    whole = fetch.take(asked[-1][0], HaveState(0, 0, 1, state))
    assert ledger_at(certificate, whole, membership).root() == ledger.root()
