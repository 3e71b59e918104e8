"""A member that contradicts itself is convicted for good: by a file, in the audit log, before the people."""

import pytest

from foedus.consensus.messages import Vote, vote_bytes
from foedus.consensus.misconduct import verify_misconduct
from foedus.consensus.proof import ProofFailed
from foedus.node.council_messages import write
from foedus.node.council_misconduct import convicted_by, prove_misconduct, told
from foedus.trust.reputation import CLEAN
from tests.node.councils import connected, found, put, seat
from tests.node.nodes import until


def vote(node, council, digest):
    """What a member could sign of the checkpoint at the first interval."""
    driver = seat(node, council).live
    data = vote_bytes(driver.membership, "checkpoint", 0, 8, digest)
    return Vote("checkpoint", 0, 8, digest, driver.me, node.node.store.keys.ed25519.sign(data))


async def test_two_words_of_one_place_convict_their_member_everywhere_and_for_good(tmp_path):
    async with connected(tmp_path) as (it, nodes):
        council = await found(nodes)
        await put(nodes[0], council, "k", b"1")
        alice, liar = nodes[0], nodes[1]
        carrier, address = liar.node.councils.carrier, seat(liar, council).membership.id
        for digest in (b"a" * 32, b"b" * 32):
            carrier.send(alice.node.store.node, address, write(vote(liar, council, digest)))
        await until(lambda: alice.node.councils.seat(council).exposed == {liar.node.store.node}, "it is exposed")
        await until(lambda: alice.node.reputations.of(liar.node.store.node) < CLEAN, "it is evidence")
        file = prove_misconduct(alice.node.home, "board", liar.id[:8])
        convicted = verify_misconduct(file, council)
        assert (convicted.node, convicted.sequence, convicted.said) == (liar.node.store.node, 8, "checkpoint")
        alice = await it.restart("alice")
        view = alice.service.council("board")
        assert [member.node for member in view.members if member.is_exposed] == [liar.id]
        troubles = [each for each in alice.service.status().troubles if each.code == "council_exposed"]
        assert len(troubles) == 1
        assert liar.id in troubles[0].message

        path = tmp_path / "file"
        path.write_bytes(file)
        assert liar.id in told(convicted_by(path))[0]
        for at in range(0, len(file), 7):
            with pytest.raises(ProofFailed):
                verify_misconduct(file[:at] + bytes([file[at] ^ 1]) + file[at + 1 :], council)
