"""Agreements as surfaces show them."""

from __future__ import annotations

from collections.abc import Callable

from foedus.base.base64url import to_base64url
from foedus.base.ids import short
from foedus.base.limits import DAY
from foedus.node.agreement_line import Line
from foedus.node.store import Store
from foedus.trust.agreements.differences import clauses, differences
from foedus.trust.agreements.document import Agreement
from foedus.trust.agreements.ledger import Proposal, Version
from foedus.trust.agreements.states import State, may
from foedus.values.agreements import AgreementView, ChangeView, ClauseView, VersionView
from foedus.values.node import Trouble

EXPIRES_SOON = 7 * DAY
"""So long before the end ``foedus status`` says so: time for two people to agree on a next version."""
_WAITING = frozenset({State.PROPOSED, State.COUNTERED, State.SIGNED})


def open_proposals(line: Line) -> list[Proposal]:
    """Return the proposals on what is in force that are not decided yet, in the order of their clocks."""
    newest = line.newest.id
    return [it for it in line.standing.proposals if it.state in _WAITING and it.act.agreement.base == newest]


class AgreementViews:
    """Makes views. ``peer_name``: what is shown for a node."""

    def __init__(self, store: Store, peer_name: Callable[[bytes], str]) -> None:
        self._store = store
        self._peer_name = peer_name

    def agreement(self, node: bytes, line: Line) -> AgreementView:
        """Return what is agreed with a peer, and what waits."""
        newest, own = line.newest, self._store.node
        waiting = open_proposals(line) if line.ended is None else []
        return AgreementView(
            peer=node.hex(),
            peer_name=self._peer_name(node),
            in_force=self.version(line, newest),
            clauses=[
                ClauseView(clause=it.name, about=it.about, words=it.words) for it in clauses(newest.agreement, own)
            ],
            proposals=[self.proposal(line, it) for it in waiting],
            waits_for_us=[it.act.id.hex() for it in waiting if it.by != own and may("sign", "theirs", it.state)],
            signers=sorted(newest.agreement.dids_of(own)),
        )

    def version(self, line: Line, version: Version) -> VersionView:
        """Return a version that is or was in force."""
        proposal = next((it for it in line.standing.proposals if it.act.id == version.id), None)
        if proposal is not None:
            return self.proposal(line, proposal)
        act = version.agreement
        return VersionView(
            id=version.id.hex(),
            version=act.version,
            base=act.base.hex() if act.base is not None else None,
            state=line.standing.state_of(version, self._store.now()),
            by="",
            by_us=False,
            at=version.since or None,
            human="",
            answers=None,
            expires=act.expires,
            changes=[],
            document=to_base64url(version.document),
        )

    def proposal(self, line: Line, proposal: Proposal) -> VersionView:
        """Return what one side proposed, whatever became of it."""
        act = proposal.act
        version = next((it for it in line.standing.versions if it.id == act.id), None)
        base = next(it for it in line.standing.versions if it.id == act.agreement.base)
        state = line.standing.state_of(version, self._store.now()) if version is not None else proposal.state
        return VersionView(
            id=act.id.hex(),
            version=act.agreement.version,
            base=base.id.hex(),
            state=state,
            by=proposal.by.hex(),
            by_us=proposal.by == self._store.node,
            at=version.since if version is not None else act.at,
            human=act.human.did if act.human is not None else "",
            answers=act.answers.hex() if act.answers is not None else None,
            expires=act.agreement.expires,
            changes=self.changes(base.agreement, act.agreement),
            document=to_base64url(act.document),
        )

    def changes(self, before: Agreement, after: Agreement) -> list[ChangeView]:
        """Return what changes from one document to another."""
        found = differences(before, after, self._store.node)
        return [ChangeView(clause=it.name, about=it.about, before=it.before, after=it.after) for it in found]

    def not_ours(self, view: AgreementView) -> Trouble:
        """Return what a human should look at: a version by a signature that this node does not know of."""
        return Trouble(
            code="agreement_not_ours",
            message=f"nothing says that this node signed the agreement with {view.peer_name} ({view.peer})",
            remedy=f"foedus agreement show {short(bytes.fromhex(view.peer))}; terminate it if a key leaked",
        )

    def troubles(self, view: AgreementView) -> list[Trouble]:
        """Return what a human should look at: a proposal that waits, and an end that is near or over."""
        peer = short(bytes.fromhex(view.peer))
        found = [
            Trouble(
                code="agreement_proposed",
                message=f"{view.peer_name} ({view.peer}) proposes another agreement",
                remedy=f"foedus agreement diff {peer}, then sign, counter or decline",
            )
            for _ in view.waits_for_us[:1]
        ]
        expires, now = view.in_force.expires, self._store.now()
        if expires is not None and expires <= now + EXPIRES_SOON:
            what = "has expired: nothing of rooms passes" if expires <= now else "expires within a week"
            message = f"the agreement with {view.peer_name} ({view.peer}) {what}"
            remedy = f"foedus agreement propose {peer} --expires DATE"
            found.append(Trouble(code="agreement_expires", message=message, remedy=remedy))
        return found
