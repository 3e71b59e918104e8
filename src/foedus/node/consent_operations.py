"""What surfaces may do with grants and approvals."""

from __future__ import annotations

from itertools import islice
from typing import Any

from foedus.base.base64url import from_base64url, to_base64url
from foedus.base.errors import UsageError
from foedus.base.ids import parse_id
from foedus.base.limits import APPROVAL_WAIT_MAX_S
from foedus.identity.did import did_of, key_of
from foedus.identity.ucan import cid_text
from foedus.log import streams
from foedus.log.citing import CITING
from foedus.log.grants import Grant, is_untouched
from foedus.log.participants import Participant
from foedus.node.approval_words import words_of
from foedus.node.approvals import Approval
from foedus.node.carrying import NeedsApproval, is_for_one_act
from foedus.node.composition import Node
from foedus.node.crdt_asking import check_body
from foedus.node.crossings import counts_after_foreign
from foedus.node.grant_uses import uses_per_hour
from foedus.node.lookup import find
from foedus.node.peer_operations import PeerOperations
from foedus.node.rooms import Rooms, check_text
from foedus.node.views import Views
from foedus.state.crdt.fold import DELTA
from foedus.trust.border import COMMANDS
from foedus.trust.evaluator import CHAINS_MAX, chains_to, is_root
from foedus.values.consent import ApprovalView, GrantView, LinkView
from foedus.values.node import SignedAct

_REMEDY = "see `foedus grant list`"


class ConsentOperations(PeerOperations):
    """Operations on grants and approvals, for ``Service``."""

    def __init__(self, node: Node, views: Views, rooms: Rooms) -> None:
        super().__init__(node, views)
        self._rooms = rooms

    # --- grants ------------------------------------------------------------------------------

    def _grants(self) -> list[Grant]:
        return [grant for who in self._node.agents.local() for grant in who.grants.values()]

    def _grant(self, wanted: str) -> Grant:
        held = {grant.id: grant for grant in self._grants()}
        by_cid = [grant for grant in held.values() if cid_text(grant.delegation.cid) == wanted]
        ended = None if by_cid else self._ended(wanted)
        if ended is not None:
            return ended
        return by_cid[0] if by_cid else held[find(wanted, ((key, "") for key in held), "grant", _REMEDY)]

    def _ended(self, wanted: str) -> Grant | None:
        """Return a grant by its whole id that ended so long ago that the list leaves it out."""
        authority, event_id = self._node.store.admission.authority, _id(wanted)
        event = authority.control(event_id) if event_id and authority.controls.get(event_id) is None else None
        is_ours = event is not None and event.node == self._node.store.node and event.act.kind == "grant.create"
        return authority.grant(event) if event is not None and is_ours else None

    def grants(self) -> list[GrantView]:
        """Return the grants of this node's participants that did not end more than a while ago, newest first."""
        return [self._grant_view(grant) for grant in reversed(self._grants())]

    def grant(self, grant: str) -> GrantView:
        """Return one grant."""
        return self._grant_view(self._grant(grant))

    def grant_cuts(self, grant: str) -> list[list[Any]]:
        """Return where the chains of this node end in which acts under a grant may stand."""
        self._grant(grant)
        return self._room_cuts()

    def _room_cuts(self) -> list[list[Any]]:
        return [
            [streams.chain_id(chain.epoch, chain.stream).hex(), chain.seq, chain.id.hex()]
            for chain in self._node.store.admission.chains.of_node(self._node.store.node)
            if chain.seq and chain.kind in CITING
        ]

    def _grant_view(self, grant: Grant) -> GrantView:
        token = grant.delegation
        rooms, hosts = _named(token.policy.plain, ".room"), _named(token.policy.plain, ".host")
        councils = _named(token.policy.plain, ".council")
        return GrantView(
            id=grant.id.hex(),
            cid=cid_text(token.cid),
            node=grant.issuer.node.hex(),
            issuer=self._link(token.issuer, grant.issuer),
            audience=self._device_view(grant.issuer.node, token.audience),
            command=token.command,
            policy=token.policy.plain,
            rooms=rooms,
            hosts=hosts,
            domains=_named(token.policy.plain, ".domain"),
            capabilities=_named(token.policy.plain, ".capability"),
            one_act=is_for_one_act(grant),
            uses_per_hour=uses_per_hour(grant),
            after_foreign=counts_after_foreign(grant),
            not_before=token.not_before,
            expires=token.expires,
            state=self._state(grant),
            last_used=self._node.crossings.last_used(grant),
            room_names=[self._room_name(room) for room in rooms],
            host_names=[self._views.node_name(_id(host)) for host in hosts],
            hosts_known_as=[self._views.node_known_as(_id(host)) for host in hosts],
            councils=councils,
            council_names=[self._council_name(council) for council in councils],
        )

    def _state(self, grant: Grant) -> Any:
        if not any(is_untouched(chain) for chain in self._chains_ending_with(grant)):
            return "revoked"
        since, until = grant.window()
        now = self._node.store.now()
        return "not_yet" if now < since else "expired" if now >= until else "in_force"

    def _chains_ending_with(self, grant: Grant) -> list[tuple[Grant, ...]]:
        """Return the chains of which a grant is the last link; where none leads to it, itself alone."""
        if is_root(grant.delegation):
            return [(grant,)]
        chains = islice(chains_to(grant.delegation.audience, self._grants()), CHAINS_MAX * CHAINS_MAX)
        return [chain for chain in chains if chain[-1].id == grant.id] or [(grant,)]

    def _device_view(self, node: bytes, did: str) -> LinkView:
        """Return whose device a did:key is, among the participants of a node."""
        key = key_of(did)
        held = self._node.store.admission.authority.participants.values()
        return self._link(did, next((who for who in held if who.node == node and key in who.devices), None))

    def _link(self, did: str, who: Participant | None) -> LinkView:
        if who is None:
            return LinkView(did=did, participant="", name="", kind="unknown")
        known_as = self._views.known_as(who)
        return LinkView(did=did, participant=who.did, name=who.name, kind=who.kind, known_as=known_as)

    def _room_name(self, room: str) -> str:
        held = self._node.store.admission.authority.rooms.get(_id(room))
        return held.name if held else ""

    def _council_name(self, council: str) -> str:
        held = self._node.councils.foundings.get(_id(council))
        return held.founding.name if held else ""

    # --- approvals ---------------------------------------------------------------------------

    def approvals(self) -> list[ApprovalView]:
        """Return the acts that wait or waited for a human, oldest first."""
        return [self._approval_view(approval) for approval in self._node.consent.approvals.all()]

    async def approval(self, approval: str, *, wait_s: float = 0) -> ApprovalView:
        """Return one approval, once it is decided or after ``wait_s``."""
        found = await self._node.consent.approvals.decided(approval, min(max(wait_s, 0), APPROVAL_WAIT_MAX_S))
        return self._approval_view(found)

    async def approval_ask(self, room: str, agent: str, text: str, delta: str = "") -> ApprovalView:
        """Ask for what an agent with a key of its own wants to say; nobody is asked twice, or where grants carry it.

        ``delta``: the body of a ``crdt.delta`` in place of a text, unpadded base64url.
        """
        if delta:
            body = from_base64url(delta, "delta")
            check_body(body)
            draft = self._rooms.proposal(room, agent, DELTA, body)
        else:
            check_text(text)
            draft = self._rooms.proposal(room, agent, "message.text", {"text": text})
        try:
            (citing,) = self._node.consent.cite([draft])
        except NeedsApproval as need:
            before = self._node.consent.asked_before(draft)
            return self._approval_view(before or await self._node.consent.ask(draft, need))
        return self._approval_view(self._node.consent.carried(draft, citing.act.auth[len(draft.act.auth) :]))

    async def approval_allow(self, approval: str, did: str, act: SignedAct) -> ApprovalView:
        """Order the grant by which a human allows a waiting act, and then the act."""
        self._node.standings.check_act(did, "grant.create", from_base64url(act.body, "body"))
        return self._approval_view(await self._node.consent.allow(approval, did, act))

    async def approval_deny(self, approval: str, did: str, reason: str) -> ApprovalView:
        """Say no to a waiting act."""
        return self._approval_view(await self._node.consent.deny(approval, did, reason))

    def _approval_view(self, approval: Approval) -> ApprovalView:
        store = self._node.store
        authority = store.admission.authority
        hosts = [bytes.fromhex(crossing.arguments["host"]) for crossing in approval.crossings]
        host = hosts[0]
        return ApprovalView(
            id=approval.id,
            state=approval.state,
            agent=self._link(did_of(approval.device), authority.participants.get((store.node, approval.did))),
            command=approval.command,
            what=COMMANDS.get(approval.command, approval.command),
            arguments=approval.arguments,
            room=approval.arguments.get("room", ""),
            room_name=self._room_name(approval.arguments.get("room", "")),
            host_name=self._views.node_name(host),
            kind=approval.kind,
            text=words_of(approval),
            body=to_base64url(approval.body),
            salt=to_base64url(approval.salt),
            digest=approval.arguments["digest"],
            clause=approval.clause,
            needed=approval.needed,
            humans=list(approval.humans),
            grants=[event.hex() for event in approval.grants],
            asked_at=approval.asked_at,
            until=approval.until,
            event=approval.event.hex() if approval.event else "",
            reason=approval.reason,
            host_known_as=self._views.node_known_as(host),
            host_looks_like=self._views.node_looks_like(host),
            hosts=[each.hex() for each in hosts],
            host_names=[self._views.node_name(each) for each in hosts],
            hosts_known_as=[self._views.node_known_as(each) for each in hosts],
            council_name=self._council_name(approval.arguments.get("council", "")),
        )


def _named(policy: list[Any], selector: str) -> list[str]:
    """Return the values that a policy allows for a selector: one statement, or an `or` of nothing but these."""
    found = []
    for statement in policy:
        alternatives = statement[1] if statement[0] == "or" else [statement]
        if all(part[:2] == ["==", selector] and isinstance(part[2], str) for part in alternatives):
            found += [part[2] for part in alternatives]
    return found


def _id(text: str) -> bytes:
    """Return an id that a policy names; what is none, in a policy that another program wrote, names nothing."""
    try:
        return parse_id(text)
    except UsageError:
        return b""
