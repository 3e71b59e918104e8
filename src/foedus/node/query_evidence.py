"""What a question stands on, for nodes that do not hold its asker's stream: the events themselves, and their reading.

A withdrawal that is left out cannot be seen this way: the asker's own peers, which hold the stream, judge the question
before they pass it on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from foedus.base.errors import PeerViolation
from foedus.crypto import ed25519
from foedus.log import streams
from foedus.log.control import ControlEvent
from foedus.log.event import (
    Parsed,
    act_signing_bytes,
    digest_matches,
    event_signing_bytes,
    parse_envelope,
)
from foedus.log.grants import Grant
from foedus.log.participants import Participant
from foedus.log.port import Verdict
from foedus.node.store import Store
from foedus.query.limits import EVIDENCE_BYTES_MAX, EVIDENCE_MAX

_KINDS = frozenset({"device.enrol", "grant.create"})


class BadEvidence(PeerViolation):
    """The events that came with a question are not what they should be."""

    code = "bad_evidence"


def gather(store: Store, cited: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return the envelopes of the events cited, and of the enrolments that those stand on; what does not fit is left.

    What is left makes a far node refuse: nobody is believed for want of room.
    """
    authority, controls = store.admission.authority, store.admission.authority.controls
    events = [event for event in map(authority.control, cited) if event is not None]
    wanted = {event.id for event in events if event.act.kind in _KINDS}
    for stream in {event.stream for event in events}:
        wanted |= {event.id for event in controls.of_stream(stream) if event.act.kind == "device.enrol"}
    envelopes: list[bytes] = []
    size = 0
    for row in sorted(store.log.by_ids(wanted).values(), key=lambda row: row.local):
        data = row.envelope.encode()
        size += len(data)
        if len(envelopes) == EVIDENCE_MAX or size > EVIDENCE_BYTES_MAX:
            break
        envelopes.append(data)
    return tuple(envelopes)


class Evidence:
    """People of a node that is no peer, and their grants, as the events with one question show them."""

    def __init__(self, store: Store, node: bytes, envelopes: Sequence[bytes]) -> None:
        """Check and fold the events; raise BadEvidence, or what parsing finds."""
        if sum(map(len, envelopes)) > EVIDENCE_BYTES_MAX:
            raise BadEvidence(f"evidence has at most {EVIDENCE_BYTES_MAX} bytes")
        self._store = store
        self._node = node
        self.people: dict[str, Participant] = {}
        found = [parse_envelope(data) for data in envelopes]
        for parsed in sorted(found, key=lambda parsed: (parsed.event.stream, parsed.event.hlc, parsed.event.seq)):
            self._fold(parsed)

    def grants(self, cited: Iterable[bytes]) -> list[Grant]:
        """Return the grants that are cited, in that order."""
        return list(self._grants(cited))

    def _grants(self, cited: Iterable[bytes]) -> Iterator[Grant]:
        for grant in cited:
            for who in self.people.values():
                if grant in who.grants:
                    yield who.grants[grant]

    def _fold(self, parsed: Parsed) -> None:
        kind, subject = streams.parse(parsed.event.stream)
        if kind != "participant" or parsed.event.act.kind not in _KINDS:
            raise BadEvidence("evidence is enrolments and grants")
        self._check(parsed)
        who = self.people.setdefault(subject, Participant(subject, self._node))
        judged = who.apply(ControlEvent(parsed, self._node))
        if judged.verdict is not Verdict.ACCEPTED:
            raise BadEvidence(f"evidence does not hold: {judged.reason}")

    def _check(self, parsed: Parsed) -> None:
        event = parsed.event
        view = self._store.identities.epoch(event.epoch)
        if view is None or self._store.identities.node_of(event.epoch) != self._node:
            raise BadEvidence("evidence is of another node")
        is_signed = ed25519.verify(view.ed25519, event_signing_bytes(parsed.envelope.event), parsed.envelope.sig)
        device, asig = event.act.device, event.asig
        if device is None or asig is None or not is_signed or not digest_matches(parsed.envelope, event.act):
            raise BadEvidence("evidence is not signed")
        if not ed25519.verify(device, act_signing_bytes(event.act, event.epoch, event.stream), asig):
            raise BadEvidence("evidence is not signed by its device")
