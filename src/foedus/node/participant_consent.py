"""Grants and approvals as one participant may see and give them: a part of ``participant_service``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foedus.base.errors import NotFound
from foedus.base.ids import parse_id
from foedus.node.not_yourself import NotYourself
from foedus.node.tokens import Holder
from foedus.values.consent import ApprovalView, GrantView
from foedus.values.node import SignedAct

if TYPE_CHECKING:
    from foedus.log.memberships import Room
    from foedus.node.composition import Node


class ParticipantConsent:
    """A human decides for themselves about what waits in their rooms; an agent asks, and sees its own."""

    _node: Node
    _service: Any
    _holder: Holder
    if TYPE_CHECKING:

        def _is_in(self, room: Room) -> bool:
            """Whether the participant is in a room."""
            ...

        def _check_passkey(self, act: SignedAct) -> None:
            """Refuse a grant that needs a passkey and has none: ``ParticipantPasskeys`` does."""
            ...

    # --- grants ------------------------------------------------------------------------------

    def _is_party(self, view: GrantView) -> bool:
        return self._holder.did in {view.issuer.participant, view.audience.participant}

    def grants(self) -> list[GrantView]:
        """Return what it granted and what was granted to it."""
        return [view for view in self._service.grants() if self._is_party(view)]

    def grant(self, grant: str) -> GrantView:
        """Return one of them."""
        found: GrantView = self._service.grant(grant)
        if not self._is_party(found):
            raise NotFound(
                f"no grant {grant[:80]!r} is known here", code="unknown_grant", remedy="see `foedus grant list`"
            )
        return found

    def grant_cuts(self, grant: str) -> list[list[Any]]:
        """Return what a revocation of one of them names. Cuts name chains by hash, since all peers read them."""
        self.grant(grant)
        cuts: list[list[Any]] = self._service.grant_cuts(grant)
        return cuts

    # --- approvals ---------------------------------------------------------------------------

    def _may_see(self, view: ApprovalView) -> bool:
        """Whether it asked itself, or is a human in the room that it is about; questions are about none."""
        if view.agent.participant == self._holder.did:
            return True
        if not view.room:
            return self._holder.kind == "human"
        room = self._node.store.admission.authority.rooms.get(parse_id(view.room))
        return self._holder.kind == "human" and room is not None and self._is_in(room)

    def approvals(self) -> list[ApprovalView]:
        """Return what it asked for, and to a human what waits in their rooms."""
        return [view for view in self._service.approvals() if self._may_see(view)]

    async def approval(self, approval: str, *, wait_s: float = 0) -> ApprovalView:
        """Return one of them, once it is decided or after ``wait_s``."""
        found: ApprovalView = await self._service.approval(self._approval(approval), wait_s=wait_s)
        return found

    def _approval(self, wanted: str) -> str:
        found = [view.id for view in self.approvals() if wanted and view.id.startswith(wanted)]
        if len(found) != 1:
            raise NotFound(
                f"no approval {wanted[:80]!r} is known here",
                code="unknown_approval",
                remedy="see `foedus approval list`",
            )
        return found[0]

    async def approval_ask(self, room: str, agent: str, text: str, delta: str = "") -> ApprovalView:
        """Ask a human, for itself."""
        self._refuse_other(agent)
        asked: ApprovalView = await self._service.approval_ask(room, self._holder.did, text, delta)
        return asked

    async def approval_allow(self, approval: str, did: str, act: SignedAct) -> ApprovalView:
        """Allow what waits, by a grant that its own device signed."""
        self._refuse_other(did)
        wanted = self._approval(approval)
        self._check_passkey(act)
        decided: ApprovalView = await self._service.approval_allow(wanted, did, act)
        return decided

    async def approval_deny(self, approval: str, did: str, reason: str) -> ApprovalView:
        """Say no, in its own name."""
        self._refuse_other(did or self._holder.did)
        decided: ApprovalView = await self._service.approval_deny(self._approval(approval), self._holder.did, reason)
        return decided

    def _refuse_other(self, name: str) -> None:
        if name not in {self._holder.did, self._node.agents.find(self._holder.did).name}:
            raise NotYourself("this token is another participant's")
