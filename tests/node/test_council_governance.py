"""Rooms and agreements that change only once a council approved it."""

import pytest

from foedus.base.errors import FoedusError
from foedus.node.council_governance import CouncilDecides
from tests.node.councils import connected, found
from tests.node.nodes import until


async def test_a_governed_room_and_agreement_change_once_a_quorum_approved(tmp_path):
    async with connected(tmp_path) as (it, nodes):
        alice, bob = nodes[:2]
        await found(nodes)
        room = (await alice.service.room_create("plans")).room
        await alice.service.council_govern("board", "plans", "")
        with pytest.raises(CouncilDecides):
            await alice.service.room_share("plans", bob.id)
        with pytest.raises(CouncilDecides):
            await alice.service.room_share("plans", bob.id)
        for node in nodes[1:3]:
            await until(lambda node=node: node.service.council_motions("board"), "the motion is seen")
            (motion,) = node.service.council_motions("board")
            assert (motion.op, motion.subject, motion.kind, motion.node) == ("room", room, "member.add", bob.id)
            await node.service.council_approve("board", motion.id[:8])
        await until(lambda: not alice.service.council_motions("board"), "it is approved")
        await alice.service.room_share("plans", bob.id)
        assert bob.id in {entry.node for entry in alice.service.room("plans").members}

        with pytest.raises(CouncilDecides):  # what was approved serves once
            await alice.service.room_unshare("plans", bob.id)
        with pytest.raises(CouncilDecides):
            await alice.service.council_govern("board", "plans", "", release=True)
        alice = await it.restart("alice")
        with pytest.raises(FoedusError):
            await alice.service.room_unshare("plans", bob.id)
        assert bob.id in {entry.node for entry in alice.service.room("plans").members}

        await alice.service.council_govern("board", "", bob.id)
        with pytest.raises(FoedusError) as refused:
            await alice.node.governance.require_agreement(bob.node.store.node, b"v" * 32)
        assert refused.value.code in {"council_decides", "not_decided"}
