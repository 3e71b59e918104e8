"""How a council comes about: a document that goes to its members, and which each of them signs once a human approved.

Members show each other what they hold when a link opens, so nothing of it is lost; who has all signatures begins.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Callable, Sequence

from foedus.base.cbor import Malformed
from foedus.base.errors import NotFound, PeerViolation, UsageError
from foedus.consensus.founding import Founding
from foedus.consensus.membership import INTERVAL, MEMBERS_MAX, MEMBERS_MIN, Member
from foedus.consensus.messages import Signed
from foedus.consensus.proof import founded as founded_by
from foedus.crypto import ed25519
from foedus.log.port import Value
from foedus.node.background import Background
from foedus.node.council_carrier import Carrier
from foedus.node.council_messages import Founded, Invited, read, write
from foedus.node.home import check_name
from foedus.node.link import Link
from foedus.node.store import Store

log = logging.getLogger("foedus.councils")

SPACE = "councils"
COUNCILS_MAX = 64
"""Councils of one node, those that it is asked to join among them; each may hold 64 MiB of state."""
INVITED_MAX = 32
"""Councils of others to which this node is or was invited: who invites leaves room for what we found."""
INVITED_BY_ONE_MAX = 8
"""Of them by one node, since this one was started."""
ASKED_MAX = 16
"""Councils that others would found with this node and that it has not joined."""
ASKED_BY_ONE_MAX = 4
"""Of them signed by one node."""
WORK_MAX = 64
"""Founding documents that were brought and are not looked at yet: beyond, they are dropped and come again."""


class CannotFound(UsageError):
    """These nodes cannot be a council."""

    code = "no_council"
    remedy = "see docs/council.md"


def index_of(founding: Founding, node: bytes) -> int | None:
    """Return the place of a node among the members."""
    return next((index for index, it in enumerate(founding.members) if it.node == node), None)


def _has_signed(founded: Founded, node: bytes) -> bool:
    return index_of(founded.founding, node) in {signed.member for signed in founded.signatures}


class Foundings:
    """The councils that this node takes part in or is asked to join. ``on_signed``: more have signed one."""

    def __init__(self, store: Store, carrier: Carrier, refused: Counter[str]) -> None:
        self.on_signed: Callable[[Founded], None] = lambda _held: None
        self.refused = refused
        self._store = store
        self._carrier = carrier
        self._held: dict[bytes, Founded] = {}
        self._invited_by: Counter[bytes] = Counter()
        self._lock = asyncio.Lock()
        self._work = 0
        self._background = Background(log)

    def load(self) -> None:
        """Take up what is held."""
        for council, data in self._store.log.values(SPACE).items():
            said = read(data)
            if isinstance(said, Founded):
                self._held[council] = said

    async def close(self) -> None:
        """Stop."""
        await self._background.close()

    def all(self) -> list[Founded]:
        """Return every council that this node takes part in or is asked to join."""
        return list(self._held.values())

    def held(self, council: bytes) -> Founded:
        """Return the founding document of a council, with its signatures; raise NotFound."""
        if council not in self._held:
            raise NotFound("there is no such council here", code="unknown_council", remedy="see `foedus council list`")
        return self._held[council]

    def get(self, council: bytes) -> Founded | None:
        """Return a founding document that is held."""
        return self._held.get(council)

    def has_joined(self, held: Founded) -> bool:
        """Whether this node signed a founding document."""
        return _has_signed(held, self._store.node)

    def my_index(self, founding: Founding) -> int | None:
        """Return the place of this node, with the key that it has now, among the members."""
        mine = Member(self._store.node, self._store.keys.ed25519.public)
        return founding.members.index(mine) if mine in founding.members else None

    async def create(
        self, name: str, others: Sequence[bytes], interval: int = INTERVAL, *, seal: bool = False
    ) -> Founded:
        """Found a council with connected nodes, and ask them to join; raise CannotFound where that is impossible.

        ``interval``: places from one checkpoint to the next; ``seal``: whether its members seal them.
        """
        nodes = sorted({self._store.node, *others})
        self._check_size(len(nodes))
        members = tuple(self._member(node) for node in nodes)
        founding = Founding(1, check_name(name), secrets.token_bytes(32), members, interval, 2 * interval, seal)
        async with self._lock:
            self._check_room()
            held = await self._sign(Founded(founding, ()))
        self._show(held)
        return held

    def _check_size(self, size: int) -> None:
        if size > MEMBERS_MAX:
            raise CannotFound(f"a council has at most {MEMBERS_MAX} members")
        if size < MEMBERS_MIN:
            raise CannotFound(
                f"with {size} nodes no fault can be tolerated: a council needs {MEMBERS_MIN} of them, this one counted",
                remedy="two nodes decide together by an agreement that both sign: see `foedus agreement`",
            )

    def _check_room(self) -> None:
        if len(self._held) >= COUNCILS_MAX:
            raise UsageError(f"this node has {COUNCILS_MAX} councils", code="too_many_councils")

    def _member(self, node: bytes) -> Member:
        record = self._store.identities.newest(node)
        if record is None or not (node == self._store.node or self._carrier.link(node)):
            raise CannotFound(
                f"{node.hex()} is not connected now, or knows no councils",
                remedy="connect to every member first: `foedus peer add`, `foedus status`",
            )
        return Member(node, record.record.keys.ed25519)

    async def join(self, council: bytes) -> Founded:
        """Sign the founding document of a council, after a human here approved it. Does nothing a second time."""
        async with self._lock:
            held = self.held(council)
            if not self.has_joined(held):
                self._check_keys(held.founding)
                held = await self._sign(held)
        self._show(held)
        self.on_signed(held)
        return held

    def _check_keys(self, founding: Founding) -> None:
        """Require of each member that its key is that of the node: the document alone is its author's word."""
        for member in founding.members:
            record = self._store.identities.newest(member.node)
            if record is None or record.record.keys.ed25519 != member.ed25519:
                raise CannotFound(
                    f"the key of {member.node.hex()} in the founding document is not known to be that node's",
                    remedy="connect to every member first; where a member has changed its keys, found the council anew",
                )

    async def _sign(self, held: Founded) -> Founded:
        me = self.my_index(held.founding)
        if me is None:
            raise CannotFound("this node has other keys now than in the founding document")
        mine = Signed(me, self._store.keys.ed25519.sign(held.founding.signed()))
        return await self._keep(Founded(held.founding, tuple(sorted([*held.signatures, mine]))))

    async def _keep(self, held: Founded) -> Founded:
        """Make durable who has signed; only then it is so here."""
        await self._store.put(Value(SPACE, held.founding.id, write(held)))
        self._held[held.founding.id] = held
        return held

    def _show(self, held: Founded) -> None:
        """Show all members who has signed."""
        data = write(held)
        for member in held.founding.members:
            self._carrier.send(member.node, held.founding.id, data)

    def take_invitation(self, link: Link, said: Invited) -> None:
        """Take in the council to which a node invites this one; its human sees it, and joins or not."""
        if self._work < WORK_MAX:
            self._work += 1
            self._background.spawn(self._take_invitation(link, said.founded))

    async def _take_invitation(self, link: Link, founded: Founded) -> None:
        try:
            async with self._lock:
                if founded.founding.id in self._held or not founded.is_whole:
                    return
                is_full = len(self._held) >= COUNCILS_MAX or self._invited() >= INVITED_MAX
                if is_full or self._invited_by[link.node] >= INVITED_BY_ONE_MAX:
                    self.refused["too_many_councils"] += 1
                    return
                signatures = [signed.signature for signed in founded.signatures]
                await asyncio.to_thread(founded_by, founded.founding, signatures)
                held = await self._keep(founded)
                self._invited_by[link.node] += 1
        except PeerViolation as error:
            link.close(error.code, str(error))
            return
        finally:
            self._work -= 1
        self.on_signed(held)

    def _invited(self) -> int:
        """Count the councils that this node did not found."""
        return sum(1 for it in self._held.values() if index_of(it.founding, self._store.node) is None)

    def take(self, link: Link, said: Founded) -> None:
        """Take in what a node shows; it is looked at in turn."""
        if self._work < WORK_MAX:
            self._work += 1
            self._background.spawn(self._take(link, said))

    async def _take(self, link: Link, said: Founded) -> None:
        """Take in a founding document, or signatures of one that is held; answer where more is known here."""
        try:
            async with self._lock:
                held = await self._merge(link, said)
        except PeerViolation as error:
            link.close(error.code, str(error))
            return
        finally:
            self._work -= 1
        if held is None:
            return
        self.on_signed(held)
        if len(held.signatures) > len(said.signatures):
            self._carrier.send(link.node, held.founding.id, write(held))

    async def _merge(self, link: Link, said: Founded) -> Founded | None:
        founding = said.founding
        held = self._held.get(founding.id)
        if held is None:
            founding.membership()  # raises Malformed
            if self.my_index(founding) is None or not _has_signed(said, link.node):
                return None
            if self._is_crowded_by(link.node):
                self.refused["too_many_councils"] += 1
                return None
            held = Founded(founding, ())
        signatures = dict(held.signatures)
        for signed in said.signatures:
            if signed.member not in signatures:
                self._check_signature(founding, signed)
                signatures[signed.member] = signed.signature
        merged = Founded(founding, tuple(Signed(*item) for item in sorted(signatures.items())))
        return held if self._held.get(founding.id) == merged else await self._keep(merged)

    def _is_crowded_by(self, node: bytes) -> bool:
        """Whether as many councils as may be wait for this node's human, of all or of those that a node signed."""
        me = self._store.node
        asked = [it for it in self._held.values() if index_of(it.founding, me) is not None and not self.has_joined(it)]
        by_one = sum(_has_signed(it, node) for it in asked)
        return len(self._held) >= COUNCILS_MAX or len(asked) >= ASKED_MAX or by_one >= ASKED_BY_ONE_MAX

    def _check_signature(self, founding: Founding, signed: Signed) -> None:
        is_member = signed.member < len(founding.members)
        key = founding.members[signed.member].ed25519 if is_member else b""
        if not is_member or not ed25519.verify(key, founding.signed(), signed.signature):
            raise Malformed("a founding document with a signature that does not hold", code="invalid_signature")

    def linked(self, link: Link) -> None:
        """Show a node that came the councils that it is a member of."""
        for held in self._held.values():
            if index_of(held.founding, link.node) is not None:
                self._carrier.send(link.node, held.founding.id, write(held))
