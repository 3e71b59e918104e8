"""What requests bring. Unknown fields are refused: a misspelt option must not be ignored."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from foedus.base.limits import BATCH_EVENTS_MAX, BODY_MAX, EVENT_MAX, NAME_MAX, NOTE_MAX, TEXT_MAX
from foedus.log.roles import GIVEN_MAX
from foedus.node.crdt_forms import CrdtAsk
from foedus.node.room_forms import Said
from foedus.state.crdt.limits import OPERATIONS_MAX
from foedus.surfaces.http.limits import REASON_MAX, TARGET_MAX, URL_MAX, WORDS_MAX
from foedus.surfaces.http.problems import MalformedRequest
from foedus.values.crdts import TransferAsk
from foedus.values.node import SignedAct, TierName


def _base64_length(size: int) -> int:
    return -(-size * 4 // 3)


_ALPHABET: dict[str, Any] = {"pattern": "^[A-Za-z0-9_-]*$"}
Target = Annotated[str, Meta(min_length=1, max_length=TARGET_MAX)]
Name = Annotated[str, Meta(min_length=1, max_length=NAME_MAX)]
Role = Annotated[int, Meta(ge=1, le=GIVEN_MAX)]
Url = Annotated[str, Meta(min_length=1, max_length=URL_MAX)]
Spoken = Annotated[str, Meta(max_length=TEXT_MAX)]
ActBytes = Annotated[str, Meta(max_length=_base64_length(EVENT_MAX), extra_json_schema=_ALPHABET)]
BodyBytes = Annotated[str, Meta(max_length=_base64_length(BODY_MAX), extra_json_schema=_ALPHABET)]
SmallBytes = Annotated[str, Meta(max_length=128, extra_json_schema=_ALPHABET)]


class Input(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a request."""


class ProbeInput(Input, frozen=True):
    """An address to look at."""

    url: Url


class RequestInput(Input, frozen=True):
    """A connection request. ``expect``: the whole id of the node that must be there."""

    url: Url
    expect: Annotated[str, Meta(max_length=TARGET_MAX)] = ""
    note: Annotated[str, Meta(max_length=NOTE_MAX)] = ""
    tier: TierName = "CORE"


class TierInput(Input, frozen=True):
    """A tier to give."""

    tier: TierName


class AcceptInput(Input, frozen=True):
    """The tier for a node that is accepted; none: the policy's."""

    tier: TierName | None = None


class ReasonInput(Input, frozen=True):
    """Why a peer is disconnected; it is told."""

    reason: Annotated[str, Meta(max_length=REASON_MAX)] = ""


class TrustInput(Input, frozen=True):
    """A key (node id, Ed25519 public key in hex, or did:key) and the tier for it."""

    key: Target
    tier: TierName


class KeyInput(Input, frozen=True):
    """A key that was trusted."""

    key: Target


class ParticipantInput(Input, frozen=True):
    """An agent whose key the node keeps. Humans and device-held keys enrol by a signed act."""

    name: Name
    kind: Literal["agent"] = "agent"
    custodial: Annotated[bool, Meta(extra_json_schema={"const": True})] = True


class NameInput(Input, frozen=True):
    """A name for a peer or a participant."""

    id: Target
    name: Name


class RoomInput(Input, frozen=True):
    """A room to create."""

    name: Name


class PeerInput(Input, frozen=True):
    """The peer that is meant: its id, name or id prefix."""

    peer: Target


class ShareInput(PeerInput, frozen=True):
    """The peer that is let in, and its role; null: the default of each participant."""

    role: Role | None = None


class RoleInput(Input, frozen=True):
    """Who gets which role in a room: a participant's DID or name, or a node. ``title``: what the role is called."""

    who: Target
    role: Role
    title: Name | None = None


class DirectInput(Input, frozen=True):
    """The two sides of a two-party room: a DID, and a local participant's name or DID."""

    participant: Target
    as_: Target = field(name="as")


class WordsInput(Input, frozen=True):
    """The 24 recovery words."""

    words: Annotated[str, Meta(min_length=1, max_length=WORDS_MAX)]

    def __repr__(self) -> str:
        """Never show the words."""
        return "WordsInput(…)"


class ActInput(Input, frozen=True):
    """An act signed on a device: unpadded base64url of its parts."""

    act: ActBytes
    asig: SmallBytes
    salt: SmallBytes
    body: BodyBytes

    def value(self) -> SignedAct:
        """Return what the node takes."""
        return SignedAct(act=self.act, asig=self.asig, salt=self.salt, body=self.body)


class AskInput(Input, frozen=True):
    """What an agent with a key of its own wants to say, or (``delta``: the body) to write to a CRDT."""

    room: Target
    as_: Target = field(name="as")
    text: Spoken | UnsetType = UNSET
    delta: BodyBytes | UnsetType = UNSET

    def said(self) -> tuple[str, str]:
        """Return text and delta, one of them ''; raise MalformedRequest where it is neither or both."""
        if (self.text is UNSET) == (not self.delta):
            raise MalformedRequest("an agent asks for a text or for a delta")
        return self.text or "", self.delta or ""


class AllowInput(ActInput, frozen=True):
    """The grant by which a human allows a waiting act: their DID, and the signed ``grant.create``."""

    did: Target


class DenyInput(Input, frozen=True):
    """Who says no to a waiting act, and why; both are kept."""

    did: Annotated[str, Meta(max_length=TARGET_MAX)] = ""
    reason: Annotated[str, Meta(max_length=REASON_MAX)] = ""


class EraseInput(Input, frozen=True):
    """Either ``reason``, where the node acts or signs for a custodial agent, or the four parts of a signed act."""

    reason: Literal["author", "moderator", "retention"] | UnsetType = UNSET
    act: ActBytes | UnsetType = UNSET
    asig: SmallBytes | UnsetType = UNSET
    salt: SmallBytes | UnsetType = UNSET
    body: BodyBytes | UnsetType = UNSET

    def value(self) -> SignedAct | Literal["author", "moderator", "retention"]:
        """Return what the node takes; raise MalformedRequest where it is neither or both."""
        signed = (self.act, self.asig, self.salt, self.body)
        if self.reason is not UNSET and signed == _NOTHING:
            return self.reason
        if self.reason is UNSET and UNSET not in signed:
            return SignedAct(act=str(self.act), asig=str(self.asig), salt=str(self.salt), body=str(self.body))
        raise MalformedRequest("an erasure is either a reason, or act, asig, salt and body")


class CrdtInput(Input, frozen=True):
    """Either ``type`` with its operations and ``as``, or the four parts of a signed act."""

    type: Annotated[str, Meta(max_length=32)] | UnsetType = UNSET
    as_: Annotated[str, Meta(max_length=TARGET_MAX)] = field(default="", name="as")
    value: Any | UnsetType = UNSET
    set: Annotated[dict[str, Any], Meta(max_length=OPERATIONS_MAX)] = {}
    add: Annotated[list[Any], Meta(max_length=OPERATIONS_MAX)] = []
    remove: Annotated[list[Any], Meta(max_length=OPERATIONS_MAX)] = []
    by: int | None = None
    transfers: Annotated[list[TransferAsk], Meta(max_length=OPERATIONS_MAX)] = []
    act: ActBytes | UnsetType = UNSET
    asig: SmallBytes | UnsetType = UNSET
    salt: SmallBytes | UnsetType = UNSET
    body: BodyBytes | UnsetType = UNSET

    def asked(self) -> CrdtAsk | SignedAct:
        """Return what the node takes; raise MalformedRequest where it is neither or both."""
        signed = (self.act, self.asig, self.salt, self.body)
        if self.type is not UNSET and signed == _NOTHING:
            return CrdtAsk(
                type=self.type,
                as_=self.as_,
                value=self.value,
                set=self.set,
                add=self.add,
                remove=self.remove,
                by=self.by,
                transfers=self.transfers,
            )
        if self.type is UNSET and UNSET not in signed:
            return SignedAct(act=str(self.act), asig=str(self.asig), salt=str(self.salt), body=str(self.body))
        raise MalformedRequest("operations are either type and what to do, or act, asig, salt and body")


class RetentionInput(Input, frozen=True):
    """Days to keep, in one room or in all; without them as the policy says."""

    days: Annotated[int, Meta(ge=1, le=36_500)] | None = None
    room: Annotated[str, Meta(max_length=TARGET_MAX)] = ""


class SkipInput(Input, frozen=True):
    """The room that goes on: its id, name or id prefix."""

    room: Target


class MessageInput(Input, frozen=True):
    """Either ``text`` and ``as`` for a custodial agent, or the four parts of a signed act."""

    text: Spoken | UnsetType = UNSET
    as_: Annotated[str, Meta(max_length=TARGET_MAX)] | UnsetType = field(default=UNSET, name="as")
    act: ActBytes | UnsetType = UNSET
    asig: SmallBytes | UnsetType = UNSET
    salt: SmallBytes | UnsetType = UNSET
    body: BodyBytes | UnsetType = UNSET

    def value(self) -> Said | SignedAct:
        """Return what the node takes; raise MalformedRequest where it is neither or both."""
        signed = (self.act, self.asig, self.salt, self.body)
        if self.text is not UNSET and signed == _NOTHING:
            return Said(text=self.text, as_=self.as_ or "")
        if self.text is UNSET and self.as_ is UNSET and UNSET not in signed:
            return SignedAct(act=str(self.act), asig=str(self.asig), salt=str(self.salt), body=str(self.body))
        raise MalformedRequest("a message is either text and as, or act, asig, salt and body")


_NOTHING = (UNSET, UNSET, UNSET, UNSET)
_EITHER: dict[str, Any] = {
    "oneOf": [
        {"required": ["text"], "not": {"anyOf": [{"required": [name]} for name in ("act", "asig", "salt", "body")]}},
        {"required": ["act", "asig", "salt", "body"], "not": {"anyOf": [{"required": ["text"]}, {"required": ["as"]}]}},
    ]
}
_EITHER_ERASE: dict[str, Any] = {
    "oneOf": [
        {"required": ["reason"], "not": {"anyOf": [{"required": [name]} for name in ("act", "asig", "salt", "body")]}},
        {"required": ["act", "asig", "salt", "body"], "not": {"required": ["reason"]}},
    ]
}
_EITHER_CRDT: dict[str, Any] = {
    "oneOf": [
        {"required": ["type"], "not": {"anyOf": [{"required": [name]} for name in ("act", "asig", "salt", "body")]}},
        {"required": ["act", "asig", "salt", "body"], "not": {"required": ["type"]}},
    ]
}
_EITHER_ASK: dict[str, Any] = {
    "oneOf": [
        {"required": ["text"], "not": {"required": ["delta"]}},
        {"required": ["delta"], "not": {"required": ["text"]}},
    ]
}
Operations = Annotated[CrdtInput, Meta(extra_json_schema=_EITHER_CRDT)]
Ask = Annotated[AskInput, Meta(extra_json_schema=_EITHER_ASK)]
Erasure = Annotated[EraseInput, Meta(extra_json_schema=_EITHER_ERASE)]
Message = Annotated[MessageInput, Meta(extra_json_schema=_EITHER)]
Messages = Annotated[list[Message], Meta(max_length=BATCH_EVENTS_MAX)]
