"""Motions as people see them: what they say, as far as this node knows the words."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from foedus.base.cbor import Malformed, NotCanonical, decode_as, learn
from foedus.consensus.motions import motion_id
from foedus.values.councils import CouncilMotionView


class RoomMotion(Struct, frozen=True, forbid_unknown_fields=True, tag_field="op", tag="room"):
    """To write ``kind`` in the membership of a room, after the event ``after`` of it."""

    host: bytes
    room: bytes
    kind: str
    node: bytes
    participant: str | None
    role: int | None
    title: str | None
    after: bytes


class AgreementMotion(Struct, frozen=True, forbid_unknown_fields=True, tag_field="op", tag="agreement"):
    """To propose or sign a version of the agreement with a peer."""

    host: bytes
    peer: bytes
    agreement: bytes


class ReleaseMotion(Struct, frozen=True, forbid_unknown_fields=True, tag_field="op", tag="release"):
    """To ask the council no more about something that it governs."""

    host: bytes
    subject: str


Motion = RoomMotion | AgreementMotion | ReleaseMotion


def motion_view(data: bytes, approved_by: Sequence[str]) -> CouncilMotionView:
    """Return what a motion says; of one that this node does not know its id alone."""
    try:
        motion: Motion | None = decode_as(data, Motion)  # type: ignore[arg-type]  # msgspec takes a union
    except (Malformed, NotCanonical):
        motion = None
    room = motion if isinstance(motion, RoomMotion) else None
    agreement = motion if isinstance(motion, AgreementMotion) else None
    return CouncilMotionView(
        id=motion_id(data).hex(),
        op="" if motion is None else "room" if room else "agreement" if agreement else "release",
        host=motion.host.hex() if motion is not None else "",
        subject=_subject(motion),
        kind=room.kind if room is not None else "",
        node=room.node.hex() if room is not None else "",
        participant=(room.participant or "") if room is not None else "",
        role=room.role if room is not None else None,
        agreement=agreement.agreement.hex() if agreement is not None else "",
        approved_by=list(approved_by),
    )


def _subject(motion: Motion | None) -> str:
    match motion:
        case RoomMotion(room=room):
            return room.hex()
        case AgreementMotion(peer=peer):
            return peer.hex()
        case ReleaseMotion(subject=subject):
            return subject
    return ""


learn(Motion)
