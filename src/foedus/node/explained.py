"""The codes of refusals, in which layer each stands, and what it says in plain words."""

from __future__ import annotations

from typing import Literal, NamedTuple

Layer = Literal["agreement", "grant", "room", "log", ""]


class Code(NamedTuple):
    """Why an act does not pass, as the node says it; '' where it does."""

    text: str
    is_pending: bool = False


_WORDS: dict[str, str] = {
    "ignored": "this node ignores that one",
    "paused": "that peer is paused here",
    "not_connected": "that node is not connected here",
    "tier": "the tier that this node gave it does not take rooms from it",
    "not_a_member": "who brought it is not in the room",
    "agreement.commands": "the agreement does not let agents of that node do this",
    "agreement.rooms": "the agreement does not name this room",
    "agreement.directions.room": "the agreement does not let that node send rooms",
    "agreement.directions.knowledge": "the agreement does not let that node send knowledge",
    "agreement.expires": "the agreement is over its time",
    "agreement.ended": "the agreement was ended",
    "agreement_overtaken": "it is about a version of the agreement that a newer one replaced",
    "agreement.humans": "only named humans may act, and this one is not named",
    "grant.human_required": "no chain of grants leads from a human to the device that signs",
    "grant.after_foreign": "the agent has read what another node's people or agents wrote since it was granted",
    "grant.signer": "the human who granted it is not a signer whom the agreement names",
    "grant.approvals": "fewer humans allowed it than the agreement asks for",
    "grant.uses": "the grant allows no more this hour",
    "grant.reputation": "the reputation of its node is too low for grants to count",
    "grant.invalid_command": "the grant is for another command",
    "grant.policy_mismatch": "the grant is for other rooms, nodes or acts",
    "grant.expired": "the grant has expired",
    "grant.too_early": "the grant is not in force yet",
    "invalid_grant": "a grant that is cited is none",
    "expired_grant": "a grant that is cited is not in its time",
    "auth": "what it cites is not held here",
    "body": "its body is not held here",
    "revoked_grant": "a grant that is cited was revoked",
    "room.role": "the role in the room does not allow it",
    "role": "the role in the room does not allow it",
    "room.standing": "the standing at this node does not allow it",
    "not_permitted": "not a member of the room, or the kind is not for this writer",
    "unknown_device": "the device that signs is not enrolled, or was revoked",
    "not_yourself": "it was asked for in another's name",
    "replayed_nonce": "it was done before: its nonce counts once",
    "ucan_replayed": "it was asked before: an invocation serves once",
    "excessive_drift": "its clock is too far from ours, or from that of the act in it",
    "hlc_not_growing": "its clock goes back",
    "invalid_signature": "a signature in it is not by the key that it names",
    "equivocation": "its node wrote two histories; the chain takes no more until its owner chooses one",
    "audit_rewritten": "the audit log that it shows is not the one that it told of before",
    "non_canonical": "its bytes are not the one way to write what they say",
    "malformed_frame": "what it sent has not the shape that the protocol gives it",
    "unknown_frame": "what it sent is nothing that the protocol knows",
    "too_large": "it is larger than anything of its kind may be",
    "digest_mismatch": "what it says is not what its author signed",
    "bad_checkpoint": "a checkpoint in it is not signed by both keys of its node",
    "bad_proof": "it was shown as proof of two histories, and proves none",
    "bad_identity_record": "an identity was shown that does not follow from the one before it",
    "too_many_nodes": "it made more nodes known than one may",
    "too_many_identity_records": "the identity of that node has more branches than are remembered",
    "agreement_refused": "what it calls agreed is not what was agreed, or not signed",
    "keepalive_timeout": "nothing was heard of it for too long",
    "bad_handshake": "what it sent to open a link is no handshake, or not one with us",
    "busy": "as many strangers as are served at one time were here",
    "slow_reader": "it does not read what it asks for",
    "too_many_chains": "it named more chains than a link remembers",
    "not_visible": "it was asked for by a node that may not see it",
    "unexpected_frame": "what it sent is not for where we stand with it",
    "over_quota": "its node has more waiting here than one may have",
    "cites_elsewhere": "it stands on what the members of the room may not see",
    "stream_full": "peers would keep no more of what is granted and enrolled there",
    "too_many_erasures": "peers would hold no more of what its node erases",
    "credit_overrun": "more was sent than there was credit for",
    "too_many_batches": "more batches were sent than there was credit for",
    "too_many_frames": "more was asked than is answered at one time",
    "rate_limited": "it came more often than the policy allows",
    "token_not_bound": "the token belongs to a device that did not sign the request",
    "bad_code": "there is no such pairing code: wrong, used, or over its time",
    "ucan_invalid_claim": "what serves once would be good for longer than it is remembered",
    "too_many_tries": "too many wrong pairing codes were tried",
}
_DOOR = frozenset({"ignored", "paused", "not_connected", "tier", "not_a_member"})
_ROOM = frozenset({"role", "not_permitted", "unknown_device"})
_GRANT = frozenset({"invalid_grant", "expired_grant", "revoked_grant"})


def found_in(code: str) -> Layer:
    """Return the layer in which a code stands; ``log`` for what is wrong with the event or its chain."""
    layer, dot, _ = code.partition(".")
    if dot and layer in {"agreement", "grant", "room"}:
        return layer  # type: ignore[return-value]  # one of the three
    if code in _DOOR:
        return "agreement"
    if code in _GRANT:
        return "grant"
    if code in _ROOM:
        return "room"
    return "log" if code else ""


def words_for(code: str) -> str:
    """Return a code in plain words."""
    return _WORDS.get(code, code.partition(".")[2].replace("_", " ") or code.replace("_", " "))


def meaning(code: str) -> str:
    """Return what a code of a refusal says, '' where it says no more than its name."""
    return _WORDS.get(code, "")
