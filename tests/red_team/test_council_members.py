"""A hostile member of a council, and a peer that is none: the others go on, and hold no more than they should."""

from foedus.consensus.founding import Founding
from foedus.consensus.governing import consent_bytes
from foedus.consensus.membership import Member
from foedus.consensus.messages import HaveState, Signed, Stable, Status, WantState
from foedus.consensus.proof import Renewal
from foedus.crypto.ed25519 import Ed25519Key
from foedus.node.council_founding import ASKED_BY_ONE_MAX, INVITED_BY_ONE_MAX
from foedus.node.council_inbox import PER_SECOND
from foedus.node.council_messages import PIECE_BYTES, At, Consent, Ends, Founded, Invited, Piece, write
from foedus.sync.frames.members import CouncilSays
from tests.node.councils import all_hold, connected, epoch, found, put, seat
from tests.node.nodes import until


async def test_a_member_that_floods_and_lies_about_epochs_changes_nothing(tmp_path):
    async with connected(tmp_path) as (_, nodes):
        council = await found(nodes)
        await put(nodes[0], council, "k", b"1")
        alice, liar = nodes[0], nodes[3]
        link = liar.node.links.get(alice.node.store.node)
        membership = seat(alice, council).membership
        driver = seat(alice, council).live

        def say(address, said):
            link.control(CouncilSays(address, write(said)))

        for _ in range(3 * PER_SECOND[WantState]):
            say(membership.id, WantState(8, 0))
            say(membership.id, Status(0, True, 0, 0))
        for index in range(3):  # one that never ends, and one that begins in its middle
            say(membership.id, Piece(index, 4, bytes(PIECE_BYTES)))
            say(membership.id, Piece(3, 4, b"x"))
        say(membership.id, HaveState(8, 0, 1, b"nothing"))
        await until(lambda: driver.refused["too_much"], "what is too much is dropped")

        votes = tuple(Signed(index, bytes(64)) for index in range(3))
        parts = driver.replica.ledger.parts()._replace(border=8, sequence=8)
        lie = Renewal(Stable(8, parts.root(), votes), parts, membership.members)
        for _ in range(20):
            say(council, Ends(0, (lie,)))
            say(council, At(1_000))
        thief = Ed25519Key(b"t" * 32)
        member = Member(nodes[1].node.store.node, thief.public)  # another's place, by a key of one's own
        say(council, Consent(membership.id, member, thief.sign(consent_bytes(membership, member))))
        mine = Member(liar.node.store.node, thief.public)  # one's own, by a key that no identity record names
        say(council, Consent(membership.id, mine, thief.sign(consent_bytes(membership, mine))))

        for number in range(3):
            await put(nodes[number], council, "k", b"%d" % number)
        await all_hold(nodes[:3], council, "k", b"2")
        wishes = [
            seat(node, council).live.replica.ledger.machine.wish(index) for node in nodes[:3] for index in range(4)
        ]
        assert wishes == [None] * 12
        assert {epoch(node, council) for node in nodes} == {0}
        assert alice.is_linked(liar)


async def test_a_peer_that_invites_to_councils_without_end_fills_its_own_share(tmp_path):
    async with connected(tmp_path, ("alice", "eve")) as (_, (alice, eve)):
        link = eve.node.links.get(alice.node.store.node)
        keys = [Ed25519Key(bytes([n + 1]) * 32) for n in range(4)]
        members = tuple(
            sorted((Member(bytes([n]) * 32, key.public) for n, key in enumerate(keys)), key=lambda it: it.node)
        )
        for number in range(INVITED_BY_ONE_MAX + 4):
            founding = Founding(1, "trap", bytes([number]) * 32, members)
            signatures = tuple(
                Signed(index, next(key for key in keys if key.public == it.ed25519).sign(founding.signed()))
                for index, it in enumerate(members)
            )
            link.control(CouncilSays(founding.id, write(Invited(Founded(founding, signatures)))))
        refusals = alice.node.ingest.refusals
        await until(lambda: refusals["too_many_councils"] == 4, "four are too many")
        held = alice.service.councils()
        assert len(held) == INVITED_BY_ONE_MAX
        assert {view.state for view in held} == {"asked"}


async def test_a_peer_that_founds_councils_without_end_leaves_room_for_others(tmp_path):
    async with connected(tmp_path, ("alice", "eve")) as (_, (alice, eve)):
        link, keys = eve.node.links.get(alice.node.store.node), (alice.node.store.keys, eve.node.store.keys)
        nodes = [(alice.node.store.node, keys[0].ed25519.public), (eve.node.store.node, keys[1].ed25519.public)]
        made_up = [(bytes([n]) * 32, Ed25519Key(bytes([n + 1]) * 32).public) for n in range(2)]
        members = tuple(Member(*it) for it in sorted([*nodes, *made_up]))
        mine = next(index for index, it in enumerate(members) if it.node == eve.node.store.node)
        for number in range(ASKED_BY_ONE_MAX + 3):
            founding = Founding(1, "trap", bytes([number]) * 32, members)
            signed = Signed(mine, keys[1].ed25519.sign(founding.signed()))
            for shown in (
                Founded(founding, ()),
                Founded(founding, (signed,)),
            ):  # of what eve did not sign there is no end
                link.control(CouncilSays(founding.id, write(shown)))
        await until(lambda: alice.node.ingest.refusals["too_many_councils"] == 3, "three are too many")
        assert [view.state for view in alice.service.councils()] == ["asked"] * ASKED_BY_ONE_MAX
        assert alice.is_linked(eve)
