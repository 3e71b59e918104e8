"""What this node orders for its participants, so that none takes the room that peers have for all of the node.

Peers bound what they hold of a node, and put off what comes beyond: an event that is ordered all the same waits there
for ever, and so does all that follows it in its chain.
"""

from __future__ import annotations

from collections import Counter

from foedus.base.errors import UsageError
from foedus.log.admission import Admission
from foedus.log.control import AGENT_BYTES_MAX, CONTROL_BYTES_PER_NODE_MAX, HUMAN_BYTES_MAX, WITHDRAWALS_BYTES, size_of
from foedus.log.erasures import ERASE, TARGETS_PER_NODE_MAX, read_erase
from foedus.log.event import Event, Parsed

_WITHDRAWALS = frozenset({"device.revoke", "grant.revoke"})


class Refusal(UsageError):
    """The act is refused before it is ordered, by the rule that every node would apply."""

    http_status = 403
    remedy = "see docs/protocol.md, section 4, for the reason"


class Bounds:
    """Checks the acts of one batch, one after the other: each counts for those behind it."""

    def __init__(self, admission: Admission, node: bytes) -> None:
        self._admission = admission
        self._node = node
        self._bytes: Counter[str] = Counter()
        self._targets = 0

    def check(self, parsed: Parsed) -> None:
        """Raise Refusal where peers would put an act off."""
        event, by_device = parsed.event, parsed.event.act.device is not None
        if by_device and event.stream.startswith("room:"):
            self._check_cited(event)
        if event.act.kind == ERASE:
            self._check_erase(parsed)
        elif event.act.kind == "room.create" or (by_device and event.stream.startswith("participant:")):
            self._check_room(parsed)

    def _check_cited(self, event: Event) -> None:
        """Let an act stand on what all members of its room hold: its membership, and what its node's people wrote."""
        authority, members = self._admission.authority, event.stream.replace("room:", "members:", 1)
        for cited in event.act.auth:
            held = authority.control(cited)
            is_ours = held is not None and held.node == self._node and held.stream.startswith("participant:")
            if not is_ours and (held is None or held.stream != members):
                raise Refusal(
                    "the act stands on an event that the members of the room may not see",
                    code="cites_elsewhere",
                    remedy="cite enrolments and grants of this node, and memberships in this room",
                )

    def _check_erase(self, parsed: Parsed) -> None:
        """Let participants name half of what erasures may name, and the node itself, which moderates, the rest."""
        body = read_erase(parsed.envelope.body or b"")
        self._targets += len(body.targets) if body is not None else 0
        most = TARGETS_PER_NODE_MAX // 2 if parsed.event.act.device else TARGETS_PER_NODE_MAX
        if self._admission.erasures.named_by(self._node) + self._targets > most:
            raise Refusal(
                f"peers hold {most} ids that are erased by participants of one node, or in all",
                code="too_many_erasures",
                http_status=409,
                remedy="let old events go by retention, which needs no erasure: [federation.retention] in foedus.toml",
            )

    def _check_room(self, parsed: Parsed) -> None:
        """Keep a quarter of the room for withdrawals and memberships, whoever wants rooms, grants and enrolments."""
        authority, stream = self._admission.authority, parsed.event.stream
        self._bytes[stream] += size_of(parsed)
        authority.rests.rest(self._node, parsed.event.hlc[0])
        who = authority.participants.get((self._node, str(parsed.event.act.author)))
        is_withdrawal = parsed.event.act.kind in _WITHDRAWALS
        most = HUMAN_BYTES_MAX if who is not None and who.kind == "human" else AGENT_BYTES_MAX
        most += WITHDRAWALS_BYTES if is_withdrawal else 0
        by_device = parsed.event.act.device is not None
        is_over = by_device and authority.controls.bytes_in(stream, self._node) + self._bytes[stream] > most
        in_all = authority.controls.bytes_of(self._node) + self._bytes.total()
        if is_over or (in_all > CONTROL_BYTES_PER_NODE_MAX * 3 // 4 and not is_withdrawal):
            whose = "this participant grants and enrols" if is_over else "participants of this node grant and enrol"
            raise Refusal(
                f"peers would keep no more of what {whose}",
                code="stream_full",
                http_status=409,
                remedy="revoking still works; see what wrote so much (`foedus log list`), and enrol anew who needs it",
            )
