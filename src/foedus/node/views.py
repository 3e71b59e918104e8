"""The values that surfaces show, made from what the node holds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from foedus.adapters.log_errors import DamagedDatabase
from foedus.base.cbor import Malformed, NotCanonical, decode_as, to_plain
from foedus.base.errors import PeerViolation
from foedus.base.ids import short
from foedus.identity.did import did_of
from foedus.identity.lookalikes import looks_alike
from foedus.log import streams
from foedus.log.bodies import SHAPES, MessageText
from foedus.log.event import Event, read_event
from foedus.log.memberships import Membership, Room
from foedus.log.participants import Participant
from foedus.log.port import Row, Verdict
from foedus.log.roles import name_of
from foedus.node.codec import in_json
from foedus.node.composition import Node
from foedus.trust.claims import name_clash
from foedus.trust.peer import Peer, State
from foedus.values.node import DeviceView, ParticipantView, PeerView
from foedus.values.rooms import ErasedView, EventView, MemberView, MessageView, RoomView

_VERDICTS = {Verdict.ACCEPTED: "accepted", Verdict.PENDING: "pending", Verdict.REJECTED: "rejected"}


class _Standing(NamedTuple):
    """How an event stands here now: the node that wrote it, the door's verdict, who erased it."""

    node: bytes
    withheld: str
    erased: ErasedView | None


class Views:
    """Makes views. Ids become hex here, bytes base64url."""

    def __init__(self, node: Node) -> None:
        self._node = node

    @property
    def _authority(self) -> Any:
        return self._node.store.admission.authority

    def cursor(self, local: int) -> str:
        """Return the opaque cursor of a local number: store id and number."""
        return f"{self._node.log.store_id.hex()}.{local}"

    # --- names -------------------------------------------------------------------------------

    def node_name(self, node: bytes) -> str:
        """Return what a node calls itself, or its short id."""
        if node == self._node.store.node:
            return self._node.store.name
        return self._node.peers.book.peer(node).name or short(node)

    def node_known_as(self, node: bytes) -> str:
        """Return the name that a node has here: its own where it is this one, '' where none was given."""
        return self._node.store.name if node == self._node.store.node else self._node.petnames.of(node.hex())

    def known_as(self, who: Participant) -> str:
        """Return the name that a participant has here: its own where it is of this node, '' where none was given."""
        return self._node.petnames.of(who.did) or (who.name if who.node == self._node.store.node else "")

    def did_known_as(self, did: str) -> str:
        """Return the name that the participant or node of a DID has here, or ''."""
        if did == did_of(self._node.store.keys.ed25519.public):
            return self._node.store.name
        who = self.participant_of(self._node.store.node, did)
        return self._node.petnames.of(did) or (who.name if who else "") or self._peer_known_as(did)

    def _peer_known_as(self, did: str) -> str:
        identities = self._node.store.identities
        for node in self._node.peers.book.peers:
            newest = identities.newest(node)
            if newest is not None and did_of(newest.record.keys.ed25519) == did:
                return self._node.petnames.of(node.hex())
        return ""

    def texts_of(self, who: Participant) -> tuple[str, ...]:
        """Return what a participant can be searched by."""
        return (who.name, who.did, self._node.petnames.of(who.did))

    def looks_like(self, who: Participant) -> list[str]:
        """Return names known here, of others, that the claimed name of a foreign, unnamed participant looks like."""
        if self.known_as(who):
            return []
        ours = (mine.name for mine in self._node.agents.local() if looks_alike(mine.name, who.name))
        return sorted({*ours, *self._node.petnames.like(who.did, who.name)})

    def node_looks_like(self, node: bytes) -> list[str]:
        """Return names given here to others that the claimed name of an unnamed node looks like."""
        if self.node_known_as(node):
            return []
        return sorted(self._node.petnames.like(node.hex(), self._node.peers.book.peer(node).name))

    def participant_of(self, node: bytes, author: Any) -> Participant | None:
        """Return the participant behind an author, where it is held."""
        found: Participant | None = (
            self._authority.participants.get((node, author)) if isinstance(author, str) else None
        )
        return found

    # --- peers -------------------------------------------------------------------------------

    def peer(self, peer: Peer) -> PeerView:
        """Return how we stand with another node."""
        node = self._node
        link = node.links.get(peer.node)
        is_open = link is not None and link.session.is_open
        newest = node.store.identities.newest(peer.node)
        held = node.records.held.get(peer.node)
        return PeerView(
            node=peer.node.hex(),
            name=peer.name,
            known_as=self.node_known_as(peer.node),
            looks_like=sorted(node.petnames.like(peer.node.hex(), peer.name)),
            name_clash=[other.hex() for other in name_clash(peer, node.peers.book.peers.values())],
            state="known" if peer.state is State.UNKNOWN else peer.state.value,  # type: ignore[arg-type]  # the literals
            tier=peer.tier.value,
            their_tier=peer.their_tier.value if peer.state is State.CONNECTED else None,
            note=peer.note,
            url=peer.url,
            address=peer.address,
            endpoints=list(peer.endpoints),
            requested_at=peer.requested_at or None,
            connected_at=peer.since if peer.state is State.CONNECTED else None,
            last_seen=link.last_seen if link else node.peers.last_seen.get(peer.node),
            paused=peer.is_paused,
            link="link" if is_open else node.fallback_kind(peer.node),
            link_error="" if is_open else node.links.redialler.errors.get(peer.node, ""),
            lag=link.session.lag if link else 0,
            sent=link.sent if link else 0,
            received=link.received if link else 0,
            refused=dict(link.refused) if link else {},
            clock_offset_us=link.session.clock_offset_us if link else None,
            did=did_of(newest.record.keys.ed25519) if newest else "",
            epoch=newest.id.hex() if newest else "",
            epoch_number=newest.record.n if newest else 0,
            held_epoch=held.id.hex() if held else None,
            reputation=node.reputations.of(peer.node),
        )

    # --- participants and rooms --------------------------------------------------------------

    def participant(self, who: Participant) -> ParticipantView:
        """Return a participant with its devices."""
        return ParticipantView(
            did=who.did,
            name=who.name,
            kind=who.kind,
            custody=who.custody,
            node=who.node.hex(),
            node_name=self.node_name(who.node),
            is_local=who.node == self._node.store.node,
            known_as=self.known_as(who),
            node_known_as=self.node_known_as(who.node),
            looks_like=self.looks_like(who),
            devices=[
                DeviceView(
                    key=device.key.hex(),
                    name=device.name,
                    enrolment=device.enrolment.hex(),
                    revoked=device.cuts is not None,
                )
                for device in who.devices.values()
            ],
        )

    def room(self, room: Room) -> RoomView:
        """Return a room with the memberships in force."""
        return RoomView(
            room=room.id.hex(),
            name=room.name,
            host=room.host.hex(),
            host_name=self.node_name(room.host),
            is_host=room.host == self._node.store.node,
            members=[self._member(room, entry) for entry in _newest(room.current())],
            left=self._node.store.node not in room.present(),
            host_known_as=self.node_known_as(room.host),
        )

    def _member(self, room: Room, entry: Membership) -> MemberView:
        who = self.participant_of(entry.node, entry.participant)
        role = room.role_of(entry, entry.participant, who.kind if who else None)
        return MemberView(
            id=entry.id.hex(),
            node=entry.node.hex(),
            node_name=self.node_name(entry.node),
            participant=entry.participant or "",
            participant_name=who.name if who else "",
            node_known_as=self.node_known_as(entry.node),
            participant_known_as=self.known_as(who) if who else "",
            role=role,
            role_name=name_of(role, entry.title),
        )

    # --- events ------------------------------------------------------------------------------

    def message(self, row: Row, event: Event) -> MessageView:
        """Return a message with who spoke, and how far that is proved."""
        return self._message(row, event, self._standing(row, event))

    def _message(self, row: Row, event: Event, standing: _Standing) -> MessageView:
        node, withheld, erased = standing
        who = self.participant_of(node, event.act.author)
        author = event.act.author
        reason = withheld or row.reason or (_VERDICTS[row.verdict] if row.verdict is not Verdict.ACCEPTED else "")
        return MessageView(
            id=row.id.hex(),
            room=streams.parse(row.stream).subject,
            stream=row.stream,
            seq=row.seq,
            hlc=list(row.hlc),
            at=event.act.at,
            text=None if withheld or erased else _text(row),
            author=author if isinstance(author, str) else author.hex(),
            author_name=who.name if who else self.node_name(node),
            author_kind=(who.kind if who else "unknown") if isinstance(author, str) else "node",
            node=node.hex(),
            node_name=self.node_name(node),
            verified=not reason,
            why_not=reason,
            refs=[ref.hex() for ref in event.act.refs],
            author_known_as=self.known_as(who) if who else self.node_known_as(node),
            node_known_as=self.node_known_as(node),
            author_looks_like=self.looks_like(who) if who else [],
            cursor=self.cursor(row.local),
            erased=erased,
        )

    def erased(self, row: Row, event: Event) -> ErasedView | None:
        """Return who erased an event, where someone did."""
        erasures = self._node.store.admission.erasures
        may_be = row.envelope.body is None or erasures.names(row.id)
        erase = erasures.erased_by(row.id, event) if may_be else None
        if erase is None or erase.body is None:
            return None
        author, node = erase.act.author, erase.chain.node
        who = self.participant_of(node, author)
        return ErasedView(
            event=erase.id.hex(),
            by=author if isinstance(author, str) else author.hex(),
            by_name=who.name if who else self.node_name(node),
            node=node.hex(),
            at=erase.act.at,
            reason=erase.body.reason,
        )

    def withheld(self, row: Row, event: Event, node: bytes) -> str:
        """Return the door verdict on what ``node`` wrote: stored with the event, or by where we stand with it now."""
        found = row.withheld or self._node.withholding.door(node, row.stream, row.hlc.us)
        if found or row.verdict is not Verdict.ACCEPTED:
            return found
        return self._node.crossings.clause(event, node)

    def _standing(self, row: Row, event: Event) -> _Standing:
        node = self._node.store.identities.node_of(row.epoch) or b""
        return _Standing(node, self.withheld(row, event, node), self.erased(row, event))

    def event(self, row: Row) -> EventView:
        """Return any held event."""
        event = stored_event(row)
        author = event.act.author
        standing = self._standing(row, event)
        node, withheld, erased = standing
        return EventView(
            id=row.id.hex(),
            stream=row.stream,
            epoch=row.epoch.hex(),
            node=node.hex(),
            seq=row.seq,
            prev=event.prev.hex() if event.prev else None,
            hlc=list(row.hlc),
            kind=row.kind,
            author=author if isinstance(author, str) else author.hex(),
            at=event.act.at,
            verdict=_VERDICTS[row.verdict],  # type: ignore[arg-type]  # the values are the literals
            reason=row.reason,
            withheld=withheld,
            body=None if withheld or erased else _body(row),
            message=self._message(row, event, standing) if row.kind == "message.text" else None,
            cursor=self.cursor(row.local),
            erased=erased,
        )


def _newest(entries: Iterable[Membership]) -> list[Membership]:
    """Return the last membership of each member: a further one changed its role."""
    return list({(entry.node, entry.participant): entry for entry in entries}.values())


def stored_event(row: Row) -> Event:
    """Return the event of a row; raise DamagedDatabase: it was sound when it was stored."""
    try:
        return read_event(row.envelope)
    except PeerViolation as error:
        raise DamagedDatabase(f"the event {row.id.hex()} is damaged: {error}") from error


def _text(row: Row) -> str | None:
    """Return what a message says. What is pending says nothing yet: who cites a grant that never comes is not heard."""
    if row.envelope.body is None or row.verdict is not Verdict.ACCEPTED:
        return None
    try:
        return decode_as(row.envelope.body, MessageText).text
    except (NotCanonical, Malformed):
        return None


def _body(row: Row) -> dict[str, Any] | None:
    """Return the body as JSON shows it: bytes as hex where they are ids, else base64url."""
    shape = SHAPES.get(row.kind)
    if shape is None or row.envelope.body is None or row.verdict is not Verdict.ACCEPTED:
        return None
    try:
        plain = to_plain(decode_as(row.envelope.body, shape))
    except (NotCanonical, Malformed):
        return None
    shown: dict[str, Any] = in_json(plain)
    return shown
