"""What surfaces may do about standing, and the explanation of verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foedus.base.errors import NotFound, UsageError
from foedus.log.participants import Participant
from foedus.node.explaining import Explainer
from foedus.trust.standing import LAST, Standing, may
from foedus.values.standing import ExplainView, StandingView

if TYPE_CHECKING:
    from foedus.node.composition import Node
    from foedus.node.rooms import Rooms
    from foedus.node.views import Views


class StandingOperations:
    """Operations on standing, for ``Service``."""

    _node: Node
    _views: Views
    _rooms: Rooms

    def standings(self) -> list[StandingView]:
        """Return where every known participant stands here: local ones first."""
        found = [self._standing_view(who) for who in self._known() if who.is_enrolled]
        return sorted(found, key=lambda view: (not view.is_local, view.node_name, view.name, view.did))

    def standing(self, who: str) -> StandingView:
        """Return where one stands, and what the rule still asks for."""
        return self._standing_view(self._who(who), whole=True)

    async def standing_propose(self, who: str, to: int | None = None) -> StandingView:
        """Propose a step up, or let someone fall."""
        found = self._who(who)
        await self._node.standings.propose(found, Standing(to) if to is not None else None)
        return self._standing_view(found, whole=True)

    async def standing_confirm(self, who: str) -> StandingView:
        """Let a proposed step take effect."""
        found = self._who(who)
        await self._node.standings.confirm(found)
        return self._standing_view(found, whole=True)

    def explain(self, who: str, act: str, room: str = "") -> ExplainView:
        """Say, layer by layer, whether an act passes."""
        explainer = Explainer(self._node, self._views)
        if who == "event":
            return explainer.of_event(act)
        place = self._rooms.find(room) if room and explainer.is_in_room(act) else None
        return explainer.of_act(self._who(who), act, place, room)

    def _known(self) -> list[Participant]:
        return list(self._node.store.admission.authority.participants.values())

    def _who(self, wanted: str) -> Participant:
        """Return an enrolled participant of any node, by DID or name."""
        found = [who for who in self._known() if who.is_enrolled and wanted in {who.did, who.name}]
        if not found:
            raise NotFound(
                f"no participant {wanted[:80]!r} is known",
                code="unknown_participant",
                remedy="see `foedus participant find`",
            )
        if len(found) > 1:
            raise UsageError(
                f"{wanted[:80]!r} names {len(found)} participants", code="ambiguous", remedy="give the DID"
            )
        return found[0]

    def _standing_view(self, who: Participant, *, whole: bool = False) -> StandingView:
        standings = self._node.standings
        record, breach = standings.record(who), standings.breach(who.node)
        held = standings.of(who.node, who.did)
        is_local = who.node == self._node.store.node
        return StandingView(
            did=who.did,
            name=who.name,
            node=who.node.hex(),
            node_name=self._views.node_name(who.node),
            is_local=is_local,
            standing=held.value,
            standing_name=held.name.lower(),
            rights=[right for right in LAST if may(held, right)],
            proposed=record.proposed,
            since=record.since if record.since < 1 << 62 else None,
            breach=breach.reason if breach is not None else "",
            acts=standings.progress(who).acts if whole else None,
            missing=list(standings.missing(who)) if whole else None,
            known_as=self._views.known_as(who),
            node_known_as=self._views.node_known_as(who.node),
        )
