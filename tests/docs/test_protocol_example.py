"""The worked example of docs/protocol.md: the page, an encoder of its own, and foedus agree on every byte."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from foedus.adapters.memory_log import MemoryLog
from foedus.base.cbor import decode, encode, frame
from foedus.base.ids import sha256
from foedus.crypto import ed25519
from foedus.crypto.aead import Direction
from foedus.crypto.ed25519 import Ed25519Key
from foedus.crypto.labels import signed_bytes
from foedus.crypto.mldsa import MlDsaKey
from foedus.crypto.words import to_words
from foedus.crypto.xwing import XWingKey
from foedus.identity.did import did_of
from foedus.identity.directory import Added, IdentityDirectory
from foedus.identity.record import first_record, verify_record
from foedus.identity.recovery import RecoverySecrets
from foedus.log.admission import Admission
from foedus.log.chains import Chain
from foedus.log.checkpoints import make_checkpoint, read_checkpoint
from foedus.log.event import (
    Act,
    Envelope,
    Event,
    Parsed,
    act_signing_bytes,
    digest_of,
    encode_event,
    event_signing_bytes,
    parse_envelope,
)
from foedus.log.evidence import check_proof, decode_proof, encode_proof, make_proof
from foedus.log.outcomes import Admitted, Forked
from foedus.log.port import Verdict
from foedus.log.streams import chain_id, members, participant, room
from foedus.sync import transcript
from foedus.sync.frames.codec import encode_frame
from foedus.sync.frames.keeping import Ping
from foedus.sync.frames.peering import Pending
from foedus.sync.http_signature import Signer, Target, content_digest, sign_request, sign_response, verify_request
from foedus.trust import agreement
from foedus.trust.agreements.document import agreement_id
from tests.docs.example import AT, CAPABILITIES, PEER, SECOND, TRAP, URI, Example, of, parsed, rendered
from tests.docs.pages import blocks, read, section


class Keys(NamedTuple):
    """The secret keys of the example's node."""

    ed25519: Ed25519Key
    mldsa65: MlDsaKey
    xwing: XWingKey


class Ours:
    """The same example by foedus."""

    def __init__(self) -> None:
        self.keys = Keys(Ed25519Key(of(1)), MlDsaKey(of(2)), XWingKey(of(3)))
        self.recovery = RecoverySecrets(of(4))
        self.device = Ed25519Key(of(5))
        self.did = did_of(self.device.public)
        self.record = first_record(self.keys, self.recovery.hash, of(6))
        self.node = self.record.id
        self.enrolment = self._enrolment()
        self.create, self.membership = self._room()
        self.room_id = sha256(self.create.envelope.body)
        self.message, self.other = self.said("salve", 0x14), self.said("vale", 0x15)

    def event(self, stream, kind, number, body, *, auth=(), at=AT, seq=1, prev=None, counter=0):
        """Return an event with its envelope; the node acts in ``members:``, else the device."""
        data, signer = encode(body), None if stream.startswith("members:") else self.device
        act = Act(
            at=at,
            auth=tuple(auth),
            kind=kind,
            refs=(),
            nonce=of(number, 16),
            author=self.did if signer else self.node,
            device=signer.public if signer else None,
            digest=digest_of(of(number), data),
        )
        asig = signer.sign(act_signing_bytes(act, self.node, stream)) if signer else None
        event = Event(v=1, act=act, hlc=(at, counter), seq=seq, asig=asig, prev=prev, epoch=self.node, stream=stream)
        event_bytes = encode_event(event)
        envelope = Envelope(event_bytes, self.keys.ed25519.sign(event_signing_bytes(event_bytes)), of(number), data)
        return parse_envelope(envelope.encode())

    def _enrolment(self) -> Parsed:
        body = {"did": self.did, "node": self.node, "kind": "human", "name": "bea", "custody": "device"}
        body |= {"device": self.device.public, "possession": None, "recovery": None}
        return self.event(participant(self.did), "device.enrol", 0x11, body)

    def _room(self) -> tuple[Parsed, Parsed]:
        body = {"host": self.node, "name": "harbour", "random": of(7)}
        stream = members(sha256(encode(body)))
        create = self.event(stream, "room.create", 0x12, body, counter=1)
        body = {"node": self.node, "participant": None, "heads": [], "role": None, "title": None}
        return create, self.event(stream, "member.add", 0x13, body, seq=2, prev=create.id, counter=2)

    def said(self, text: str, number: int) -> Parsed:
        auth = [self.enrolment.id, self.membership.id]
        return self.event(room(self.room_id), "message.text", number, {"text": text}, auth=auth, at=AT + SECOND)

    def values(self) -> dict[str, bytes | str | int]:
        parts = (self._keys(), self._events(), self._statements(), self._handshake(), self._http())
        return {name: value for part in parts for name, value in part.items()}

    def _keys(self) -> dict[str, bytes | str]:
        words, record = to_words(of(4)), self.record
        return {
            "trap": encode({"id": TRAP}),
            "node Ed25519": self.keys.ed25519.public,
            "node ML-DSA-65": self.keys.mldsa65.public,
            "node X-Wing": self.keys.xwing.public,
            "node DID": did_of(self.keys.ed25519.public),
            "device Ed25519": self.device.public,
            "participant": self.did,
            "recovery words": " ".join(words[:12]) + "\n" + " ".join(words[12:]),
            "recovery Ed25519 seed": self.recovery.ed25519.seed,
            "recovery ML-DSA-65 seed": self.recovery.mldsa65.seed,
            "recovery": self.recovery.hash,
            "record": record.record_bytes,
            "node id": record.id,
            "record own Ed25519": record.proof.own[0],
        }

    def _events(self) -> dict[str, bytes]:
        message = self.message
        envelope = message.envelope
        return {
            "enrolment body": self.enrolment.envelope.body,
            "enrolment id": self.enrolment.id,
            "room body": self.create.envelope.body,
            "room id": self.room_id,
            "room.create id": self.create.id,
            "membership body": self.membership.envelope.body,
            "membership id": self.membership.id,
            "message body": envelope.body,
            "digest": message.event.act.digest,
            "act bytes": message.act_bytes.removeprefix(b"foedus/act/1\0"),
            "SHA-256 of what the device signs": sha256(message.act_bytes),
            "asig": message.event.asig,
            "event": envelope.event,
            "event id": message.id,
            "SHA-256 of what the node signs": sha256(event_signing_bytes(envelope.event)),
            "sig": envelope.sig,
            "envelope": envelope.encode(),
            "batch of one begins": frame(envelope.encode())[:4],
            "chain id": chain_id(self.node, room(self.room_id)),
        }

    def _statements(self) -> dict[str, bytes | str]:
        proof = make_proof(self.message, self.other)
        chain = Chain(self.node, room(self.room_id), self.node)
        chain.advance(1, self.message.id, self.message.hlc)
        checkpoint = decode(make_checkpoint(chain, AT + 2 * SECOND, self.keys.ed25519, self.keys.mldsa65))
        document = agreement.draft(self.node, PEER, [self.did], of(0x0D))
        return {
            "other id": self.other.id,
            "first in the proof": "the message" if proof.one.event == self.message.envelope.event else "the other",
            "proof": encode_proof(proof),
            "statement": checkpoint["statement"],
            "SHA-256 of what both keys sign": sha256(signed_bytes("checkpoint", checkpoint["statement"])),
            "checkpoint Ed25519": checkpoint["ed25519"],
            "agreement": document,
            "agreement id": agreement_id(document),
            "agreement signature": agreement.sign(self.keys.ed25519, document),
        }

    def _handshake(self) -> dict[str, bytes]:
        m1 = transcript.write_m1(XWingKey(of(0x21)).public, of(0x22))
        c2 = transcript.write_c2(of(0x23, 1120), of(0x24))
        m2, m3, secret = transcript.write_m2(c2, of(0x26, 64)), of(0x27, 64), of(0x25)
        h2, h3 = transcript.transcript(m1, c2), transcript.transcript(m1, m2, m3)
        said = transcript.write_said(CAPABILITIES, [])
        info = "foedus link traffic {}/1"
        return {
            "M1": m1,
            "C2": c2,
            "h2": h2,
            "k_r": transcript.handshake_key(secret, h2, "responder"),
            "k_i": transcript.handshake_key(secret, h2, "initiator"),
            "said": said,
            "R signs": transcript._signed("responder", (m1, c2), said),
            "M2": m2,
            "H(M1, M2)": transcript.transcript(m1, m2),
            "I signs": transcript._signed("initiator", (m1, m2), said),
            "h3": h3,
            "traffic key of R": transcript.hkdf_sha256(
                secret, salt=h3, info=info.format("responder").encode(), length=32
            ),
            "traffic key of I": transcript.hkdf_sha256(
                secret, salt=h3, info=info.format("initiator").encode(), length=32
            ),
            **_frames(transcript.traffic(secret, h3, "responder")),
        }

    def _http(self) -> dict[str, str]:
        target, body = Target("POST", URI, PEER), frame(self.message.envelope.encode())
        signer = Signer(self.node, self.keys.ed25519)
        headers = sign_request(target, body, signer, of(0x31, 16), AT)
        answer = sign_response(200, b"{}", headers["Signature"], signer, AT)
        parameters = headers["Signature-Input"].removeprefix("foedus=")
        verify_request(target, headers, body, lambda _epoch: self.keys.ed25519.public, AT)
        return {
            "request base": (
                f'"@method": POST\n"@target-uri": {URI}\n"content-digest": {headers["Content-Digest"]}\n'
                f'"foedus-to": {PEER.hex()}\n"@signature-params": {parameters}'
            ),
            "Signature-Input": headers["Signature-Input"],
            "Signature": headers["Signature"],
            "response base": (
                f'"@status": 200\n"content-digest": {content_digest(b"{}")}\n"signature";req: {headers["Signature"]}\n'
                f'"@signature-params": {answer["Signature-Input"].removeprefix("foedus=")}'
            ),
        }


def _frames(direction: Direction) -> dict[str, bytes]:
    found = {}
    for number, value in enumerate((Pending(), Ping(7))):
        found[f"frame {number}"] = encode_frame(value)
        found[f"frame {number} sealed by R"] = direction.seal(encode_frame(value))
    return found


@pytest.fixture(scope="module")
def example():
    return Example()


@pytest.fixture(scope="module")
def ours():
    return Ours()


@pytest.fixture(scope="module")
def page():
    text = "".join(blocks(section(read("docs/protocol.md"), "Worked example"), "text"))
    return parsed([line for line in text.splitlines() if line])


def test_the_page_shows_what_its_words_give(page, example):
    expected = {name: rendered(name, value) for name, value in example.values.items()}
    assert page == expected
    assert list(page) == list(expected)


def test_foedus_gives_the_same_bytes(example, ours):
    assert ours.values() == example.values


def test_the_record_holds(ours):
    verify_record(ours.record, None)


def test_what_is_randomised_is_not_on_the_page(page, ours):
    again = first_record(ours.keys, ours.recovery.hash, of(6))
    assert again.record_bytes == ours.record.record_bytes
    assert again.proof.own[1] != ours.record.proof.own[1]
    assert not [name for name in page if "ML-DSA-65 signature" in name]


def test_a_node_accepts_the_four_events_and_keeps_the_fork_as_proof(ours):
    identities = IdentityDirectory()
    assert isinstance(identities.add(ours.record), Added)
    admission = Admission(MemoryLog(), identities)
    for parsed_event in (ours.enrolment, ours.create, ours.membership, ours.message):
        outcome = admission.admit(parsed_event, AT + SECOND)
        assert isinstance(outcome, Admitted)
        assert outcome.entry.verdict is Verdict.ACCEPTED
    forked = admission.admit(ours.other, AT + SECOND)
    assert isinstance(forked, Forked)
    assert encode_proof(forked.proof) == Example().values["proof"]
    check_proof(*decode_proof(encode_proof(forked.proof)), ours.keys.ed25519.public)


def test_the_signatures_on_the_page_verify(example, ours):
    values, public = example.values, ours.keys.ed25519.public
    assert ed25519.verify(public, signed_bytes("identity", values["record"]), values["record own Ed25519"])
    assert ed25519.verify(public, signed_bytes("event", values["event"]), values["sig"])
    assert ed25519.verify(ours.device.public, signed_bytes("act", values["act bytes"]), values["asig"])
    assert agreement.is_signed(values["agreement"], public, values["agreement signature"])
    body = {"statement": values["statement"], "ed25519": values["checkpoint Ed25519"]}
    body["mldsa65"] = ours.keys.mldsa65.sign(signed_bytes("checkpoint", values["statement"]))
    assert read_checkpoint(encode(body), public, ours.keys.mldsa65.public).id == values["event id"]
