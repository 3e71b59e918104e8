"""Updates in the name of an agent whose key this node keeps: carried by people's grants, or put before them."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from foedus.base.cbor import convert, decode, decode_as, encode, learn, to_plain
from foedus.base.errors import UsageError
from foedus.base.limits import AUTH_MAX, NONCE_BYTES
from foedus.consensus.machine import Get, Put
from foedus.consensus.updates import LIFE, Update
from foedus.log.event import Id
from foedus.log.participants import Participant
from foedus.node.approvals import Approval
from foedus.node.author import Draft
from foedus.node.carrying import NeedsApproval
from foedus.node.council_judging import ASKED, council_crossing
from foedus.node.councils import Decided

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foedus.node.composition import Node
    from foedus.trust.border import Crossing


class AskedCouncil(Struct, frozen=True, forbid_unknown_fields=True):
    """What an agent asks a council, as it waits for a human."""

    council: Id
    command: bytes


class WaitsForHuman(UsageError):
    """A human has to allow the update first; the node asks the council then."""

    code = "waits_for_human"
    http_status = 403
    remedy = "a person runs `foedus approval list` and allows it; then the node does it by itself"


class CouncilAgents:
    """One per node. ``consent.Doing`` for updates of agents."""

    def __init__(self, node: Node) -> None:
        self._node = node
        node.consent.doing[ASKED] = self

    async def ask(self, council: bytes, wanted: str, command: Put | Get) -> Decided:
        """Ask in an agent's name; raise WaitsForHuman where nobody's grant carries it."""
        who, data = self._node.agents.find(wanted), encode(to_plain(command))
        try:
            update = self.signed(council, who, data)
        except NeedsApproval:
            draft = self._draft(who, AskedCouncil(council, data))
            draft = draft._replace(signer=self._node.agents.key(who))
            approval = await self._node.consent.propose(draft, [self._crossing(council, data)])
            raise WaitsForHuman(f"approval {approval.id} waits for a human") from None
        return await self._node.councils.ask(council, update)

    def signed(self, council: bytes, who: Participant, command: bytes) -> Update:
        """Return an update that an agent's key signs; raise NeedsApproval or Refusal where no grant carries it."""
        draft = self._draft(who, AskedCouncil(council, command))
        grants = self._node.consent.carrying(draft, self._crossing(council, command))
        return self._sign(council, who, command, [grant.id for grant in grants])

    def _sign(
        self, council: bytes, who: Participant, command: bytes, grants: Sequence[bytes], nonce: bytes = b""
    ) -> Update:
        agents = self._node.agents
        auth = (agents.enrolment(who), *grants)[:AUTH_MAX]
        given = nonce or secrets.token_bytes(NONCE_BYTES)
        return self._node.councils.seat(council).signed(command, who.did, agents.key(who), auth, given)

    def _draft(self, who: Participant, asked: AskedCouncil) -> Draft:
        """Return the update as the evaluator looks at an act: who, and by which device."""
        agents = self._node.agents
        draft = self._node.author.node_act("participant:", ASKED, to_plain(asked), (agents.enrolment(who),))
        return draft._replace(act=replace(draft.act, author=who.did, device=agents.key(who).public))

    def _crossing(self, council: bytes, command: bytes) -> Crossing:
        seat = self._node.councils.seat(council)
        return council_crossing(council, command, seat.others()[0])

    def done(self, approval: Approval) -> bytes | None:
        """Return the update that was made of what was allowed."""
        asked = decode_as(approval.body, AskedCouncil)
        seat = self._node.councils.seat(asked.council)
        upto = seat.live.replica.ledger.sequence
        for made in seat.records.made(max(0, upto - LIFE), upto):
            for update in made.batch.updates:
                if (update.author, update.nonce) == (approval.did, approval.salt[:NONCE_BYTES]):
                    return update.id
        return None

    async def do(self, approval: Approval) -> bytes:
        """Ask the council for what was allowed; raise where it makes it not."""
        asked = decode_as(approval.body, AskedCouncil)
        who = self._node.agents.find(approval.did)
        update = self._sign(asked.council, who, asked.command, approval.grants, approval.salt[:NONCE_BYTES])
        decided = await self._node.councils.ask(asked.council, update)
        outcome, _ = convert(decode(decided.result), tuple[str, bytes | None])
        if outcome not in {"done", "value"}:
            raise UsageError(f"the council made it, with the outcome {outcome!r}", code=outcome)
        return update.id


def asked_words(body: bytes) -> str:
    """Return in words what an agent asks a council."""
    asked = decode_as(body, AskedCouncil)
    command: Put | Get = decode_as(asked.command, Put | Get)  # type: ignore[arg-type]  # msgspec takes a union
    if isinstance(command, Get):
        return f"read {command.key}"
    put = f"delete {command.key}" if command.value is None else f"{command.key} = {_text(command.value)}"
    if command.expected is None:
        return put
    (now,) = command.expected
    return f"{put}\nonly if {command.key} is {'not there' if now is None else 'now: ' + _text(now)}"


def _text(value: bytes) -> str:
    return value.decode(errors="replace")


learn(AskedCouncil)
