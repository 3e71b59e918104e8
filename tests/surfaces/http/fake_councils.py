"""The part of the fake node that knows councils."""

import asyncio

from foedus.base.base64url import to_base64url
from foedus.base.errors import NotFound
from foedus.node.council_following import read_cursor
from foedus.values.councils import (
    CouncilDecisionView,
    CouncilEntryView,
    CouncilMemberView,
    CouncilMotionView,
    CouncilProofView,
    CouncilProvedView,
    CouncilView,
)
from tests.surfaces.http.fake_values import NODE

MEMBER = CouncilMemberView(
    node=NODE,
    name="fake",
    is_local=True,
    has_joined=True,
    is_connected=True,
    leads=True,
    is_exposed=False,
    is_silent=False,
    made=1,
)
BOARD = CouncilView(
    id="cd" * 32,
    name="board",
    state="running",
    members=[MEMBER],
    quorum=3,
    faults=1,
    view=0,
    made=1,
    lag=0,
    waiting=0,
    sealed=None,
    epoch=0,
    adds=[],
    wishes=[],
)
ENTRY = CouncilEntryView(
    sequence=1, position=0, id="ef" * 32, author="did:key:zAda", key="k", value="dg", is_read=False, outcome="done"
)
PROVED = CouncilProvedView(
    council=BOARD.id,
    name="board",
    epoch=0,
    view=0,
    sequence=1,
    update=ENTRY.id,
    author=ENTRY.author,
    key="k",
    value="dg",
    is_read=False,
    signers=[NODE],
    members=[NODE],
    sealed_by=[],
)
MOTION = CouncilMotionView(
    id="ab" * 32,
    op="room",
    host=NODE,
    subject="plans",
    kind="member.add",
    node=NODE,
    participant="",
    role=None,
    agreement="",
    approved_by=[],
)


class FakeCouncils:
    """Knows the board alone, which holds nothing."""

    def councils(self):
        return [BOARD]

    def council(self, council):
        if council not in {BOARD.id, BOARD.name}:
            raise NotFound(f"no council {council[:80]!r}")
        return BOARD

    async def council_create(self, _name, _peers, **_):
        return BOARD

    async def council_join(self, council):
        return self.council(council)

    async def council_put(self, council, _key, _value, expected=None):
        self.council(council)
        outcome = "done" if expected in {None, (None,)} else "unequal"
        return CouncilDecisionView(sequence=1, position=0, outcome=outcome, value=None)

    async def council_put_as(self, council, _agent, key, value, expected=None):
        return await self.council_put(council, key, value, expected)

    async def council_submit(self, council, updates):
        return [await self.council_put(council, "", update) for update in updates]

    async def council_get(self, council, key):
        return self.council_held(council, key)

    def council_held(self, council, _key):
        self.council(council)
        return CouncilDecisionView(sequence=1, position=0, outcome="value", value=None)

    def council_log(self, council, after=0, limit=100):
        self.council(council)
        return [ENTRY][after : after + limit]

    async def council_follow(self, council, *, after=None):
        self.council(council)
        if after is not None and read_cursor(after) < (ENTRY.sequence, ENTRY.position):
            yield ENTRY
        await asyncio.Event().wait()

    async def council_proof(self, council, _sequence, _position=0):
        self.council(council)
        return CouncilProofView(proof=to_base64url(b"proof"))

    async def council_verify(self, proof, council="", *, seals_only=False):
        assert isinstance(proof, str)
        assert isinstance(seals_only, bool)
        assert isinstance(council, str)
        return PROVED

    async def council_add(self, council, _peer):
        return self.council(council)

    async def council_remove(self, council, _member):
        return self.council(council)

    def council_motions(self, council):
        self.council(council)
        return [MOTION]

    async def council_approve(self, council, motion):
        if not MOTION.id.startswith(motion):
            raise NotFound(f"no motion {motion[:80]!r}")
        return self.council(council)

    async def council_govern(self, council, _room, _peer, *, release=False):
        assert release in {True, False}
        return self.council(council)
