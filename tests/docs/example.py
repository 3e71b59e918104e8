"""The worked example of docs/protocol.md, by its words alone: own encoder, no line of foedus.

Where there is a choice, another library than foedus uses does the work: Ed25519 by ``cryptography`` (foedus:
libsodium), ChaCha20-Poly1305 by libsodium (foedus: ``cryptography``), HKDF and X-Wing's key expansion by hashlib.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import base58
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from mnemonic import Mnemonic
from nacl.bindings import crypto_aead_chacha20poly1305_ietf_encrypt

AT = 1_767_225_600_000_000
SECOND = 1_000_000
PEER = bytes([0x0C]) * 32
URI = "https://elm.example:8102/api/federation/events"
TRAP = b"\x01\x55\x12\x20" + bytes([0x0E]) * 32
CAPABILITIES = {"events": {"major": 1, "batch": 256}}

WHOLE_MAX = 1_024
_LINE = 100

# --- the page ------------------------------------------------------------------------------------


def rendered(name: str, value: bytes | str | int) -> list[str]:
    """Return the lines of the page that show a value."""
    if not isinstance(value, bytes):
        first, *rest = str(value).split("\n")
        return [f"{name}: {first}", *(f"    {line}" for line in rest)]
    if len(value) > WHOLE_MAX:
        return [f"{name}: {value[:16].hex()}… ({len(value)} bytes, SHA-256 {sha(value).hex()})"]
    text = value.hex()
    first, *rest = [text[start : start + _LINE] for start in range(0, len(text), _LINE)]
    return [f"{name}: {first}", *(f"    {line}" for line in rest)]


def parsed(lines: list[str]) -> dict[str, list[str]]:
    """Return the lines of each value that a page shows, by name, in order."""
    found: dict[str, list[str]] = {}
    for line in lines:
        if not line.startswith(" "):
            name = line.partition(":")[0]
            assert name not in found, f"{name} is shown twice"
            found[name] = []
        found[name].append(line)
    return found


# --- bytes ---------------------------------------------------------------------------------------


def cbor(value: Any) -> bytes:
    """Encode what section 1 allows."""
    if value is None or isinstance(value, bool):
        return {None: b"\xf6", True: b"\xf5", False: b"\xf4"}[value]
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(cbor, value))
    items = sorted(((key.encode(), item) for key, item in value.items()), key=lambda pair: (len(pair[0]), pair[0]))
    return head(5, len(items)) + b"".join(cbor(key.decode()) + cbor(item) for key, item in items)


def head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes([major << 5 | number])
    size = next(power for power in range(4) if number < 1 << (8 << power))
    return bytes([major << 5 | (24 + size)]) + number.to_bytes(1 << size, "big")


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def frame(part: bytes) -> bytes:
    return len(part).to_bytes(4, "big") + part


def transcript(*parts: bytes) -> bytes:
    return sha(*map(frame, parts))


def signed(what: str, data: bytes) -> bytes:
    return b"foedus/" + what.encode() + b"/1\x00" + data


def hkdf(secret: bytes, salt: bytes, info: str) -> bytes:
    """RFC 5869, 32 bytes: one round of expansion."""
    key = hmac.digest(salt or bytes(32), secret, "sha256")
    return hmac.digest(key, info.encode() + b"\x01", "sha256")


def did(public: bytes) -> str:
    return "did:key:z" + base58.b58encode(b"\xed\x01" + public).decode()


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


_COMMANDS = ("agent/call", "agreement/change", "council/propose", "knowledge/publish", "knowledge/read")
_COMMANDS += ("query/ask", "room/speak")


class Signer:
    """An Ed25519 key from its seed."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._key.public_key().public_bytes_raw()

    def sign(self, what: str, data: bytes) -> bytes:
        return self._key.sign(signed(what, data))


def mldsa65_public(seed: bytes) -> bytes:
    return MLDSA65PrivateKey.from_seed_bytes(seed).public_key().public_bytes_raw()


def xwing_public(seed: bytes) -> bytes:
    expanded = hashlib.shake_256(seed).digest(96)
    mlkem = MLKEM768PrivateKey.from_seed_bytes(expanded[:64]).public_key().public_bytes_raw()
    return mlkem + X25519PrivateKey.from_private_bytes(expanded[64:]).public_key().public_bytes_raw()


# --- the example ---------------------------------------------------------------------------------


def of(byte: int, length: int = 32) -> bytes:
    """Return the stand-in for a random value."""
    return bytes([byte]) * length


class Example:
    """Everything that the page shows, in ``values``, in the order in which it shows it."""

    def __init__(self) -> None:
        self.values: dict[str, bytes | str | int] = {}
        self.node_key = Signer(of(1))
        self.device = Signer(of(5))
        self.did = did(self.device.public)
        self.values["trap"] = cbor({"id": TRAP})
        self._keys()
        self._record()
        self._room()
        self._message()
        self._fork()
        self._checkpoint()
        self._agreement()
        self._handshake()
        self._http()

    def _keys(self) -> None:
        put = self.values
        put["node Ed25519"] = self.node_key.public
        put["node ML-DSA-65"] = mldsa65_public(of(2))
        put["node X-Wing"] = xwing_public(of(3))
        put["node DID"] = did(self.node_key.public)
        put["device Ed25519"] = self.device.public
        put["participant"] = self.did
        words = Mnemonic("english").to_mnemonic(of(4)).split(" ")
        put["recovery words"] = " ".join(words[:12]) + "\n" + " ".join(words[12:])
        put["recovery Ed25519 seed"] = hkdf(of(4), b"", "foedus recovery ed25519/1")
        put["recovery ML-DSA-65 seed"] = hkdf(of(4), b"", "foedus recovery mldsa65/1")
        public = Signer(put["recovery Ed25519 seed"]).public, mldsa65_public(put["recovery ML-DSA-65 seed"])
        put["recovery"] = sha(*public)

    def _record(self) -> None:
        put = self.values
        keys = {"ed25519": put["node Ed25519"], "mldsa65": put["node ML-DSA-65"], "xwing": put["node X-Wing"]}
        record = {"n": 0, "node": None, "keys": keys, "recovery": put["recovery"], "prev": None, "cause": "first"}
        put["record"] = cbor(record | {"salt": of(6)})
        put["node id"] = self.node = sha(put["record"])
        put["record own Ed25519"] = self.node_key.sign("identity", put["record"])

    def event(self, stream: str, place: tuple[int, bytes | None, list[int]], act: dict[str, Any]) -> bytes:
        """Return an event's bytes; ``place``: seq, prev, hlc."""
        seq, prev, hlc = place
        asig = self.device.sign("act", self.act_bytes(stream, act)) if act["device"] else None
        event = {"v": 1, "epoch": self.node, "stream": stream, "seq": seq, "prev": prev, "hlc": hlc}
        return cbor(event | {"act": act, "asig": asig})

    def act_bytes(self, stream: str, act: dict[str, Any]) -> bytes:
        return cbor({"act": act, "epoch": self.node, "stream": stream})

    def act(self, kind: str, number: int, body: bytes, auth: list[bytes], at: int = AT) -> dict[str, Any]:
        """Return an act; ``number`` fills its salt and nonce. The device acts, or the node in ``members:``."""
        by_node = kind in {"room.create", "member.add"}
        return {
            "author": self.node if by_node else self.did,
            "device": None if by_node else self.device.public,
            "at": at,
            "kind": kind,
            "digest": sha(of(number), body),
            "auth": auth,
            "refs": [],
            "nonce": of(number, 16),
        }

    def _room(self) -> None:
        put = self.values
        enrolment = {"did": self.did, "node": self.node, "kind": "human", "name": "bea", "custody": "device"}
        enrolment |= {"device": self.device.public, "possession": None, "recovery": None}
        put["enrolment body"] = cbor(enrolment)
        act = self.act("device.enrol", 0x11, put["enrolment body"], [])
        put["enrolment id"] = sha(self.event(f"participant:{self.did}", (1, None, [AT, 0]), act))
        put["room body"] = cbor({"host": self.node, "name": "harbour", "random": of(7)})
        put["room id"] = sha(put["room body"])
        members = f"members:{put['room id'].hex()}"
        act = self.act("room.create", 0x12, put["room body"], [])
        put["room.create id"] = sha(self.event(members, (1, None, [AT, 1]), act))
        put["membership body"] = cbor(
            {"node": self.node, "participant": None, "heads": [], "role": None, "title": None}
        )
        act = self.act("member.add", 0x13, put["membership body"], [])
        put["membership id"] = sha(self.event(members, (2, put["room.create id"], [AT, 2]), act))
        self.stream = f"room:{put['room id'].hex()}"

    def said(self, text: str, number: int) -> tuple[bytes, dict[str, Any]]:
        body = cbor({"text": text})
        auth = [self.values["enrolment id"], self.values["membership id"]]
        return body, self.act("message.text", number, body, auth, AT + SECOND)

    def _message(self) -> None:
        put = self.values
        put["message body"], act = self.said("salve", 0x14)
        put["digest"] = act["digest"]
        put["act bytes"] = self.act_bytes(self.stream, act)
        put["SHA-256 of what the device signs"] = sha(signed("act", put["act bytes"]))
        put["asig"] = self.device.sign("act", put["act bytes"])
        put["event"] = event = self.event(self.stream, (1, None, [AT + SECOND, 0]), act)
        put["event id"] = sha(event)
        put["SHA-256 of what the node signs"] = sha(signed("event", event))
        put["sig"] = self.node_key.sign("event", event)
        put["envelope"] = cbor([event, put["sig"], [of(0x14), put["message body"]]])
        put["batch of one begins"] = frame(put["envelope"])[:4]
        put["chain id"] = sha(self.node, self.stream.encode())

    def _fork(self) -> None:
        put = self.values
        _, act = self.said("vale", 0x15)
        other = self.event(self.stream, (1, None, [AT + SECOND, 0]), act)
        put["other id"] = sha(other)
        stubs = {sha(data): cbor([data, self.node_key.sign("event", data), None]) for data in (put["event"], other)}
        order = sorted(stubs)
        put["first in the proof"] = "the message" if order[0] == put["event id"] else "the other"
        put["proof"] = cbor([stubs[event_id] for event_id in order])

    def _checkpoint(self) -> None:
        put = self.values
        statement = {"chain": put["chain id"], "epoch": self.node, "seq": 1, "id": put["event id"], "count": 1}
        put["statement"] = cbor(statement | {"at": AT + 2 * SECOND})
        put["SHA-256 of what both keys sign"] = sha(signed("checkpoint", put["statement"]))
        put["checkpoint Ed25519"] = self.node_key.sign("checkpoint", put["statement"])

    def _agreement(self) -> None:
        put = self.values
        nodes = sorted([self.node, PEER])
        signers = [[{"did": self.did, "assurance": "device-bound"}] if node == self.node else [] for node in nodes]
        commands = [f"/foedus/{name}" for name in _COMMANDS]
        document = {"v": 1, "version": 1, "base": None, "nodes": nodes, "rooms": "shared", "rates": [None, None]}
        document |= {"directions": [["council", "knowledge", "room"]] * 2, "commands": [commands] * 2}
        document |= {"retention": None, "expires": None, "signers": signers, "humans": "enrolled", "approvals": {}}
        document |= {"salt": of(0x0D)}
        put["agreement"] = cbor(document)
        put["agreement id"] = sha(put["agreement"])
        put["agreement signature"] = self.node_key.sign("agreement", put["agreement"])

    def _handshake(self) -> None:
        put = self.values
        put["M1"] = m1 = cbor({"e": xwing_public(of(0x21)), "random": of(0x22), "ticket": None, "versions": [1]})
        put["C2"] = c2 = cbor({"ciphertext": of(0x23, 1120), "random": of(0x24), "version": 1})
        put["h2"] = h2 = transcript(m1, c2)
        secret = of(0x25)
        put["k_r"] = hkdf(secret, h2, "foedus link handshake responder/1")
        put["k_i"] = hkdf(secret, h2, "foedus link handshake initiator/1")
        put["said"] = said = cbor({"capabilities": CAPABILITIES, "records": []})
        put["R signs"] = signed("link-r", transcript(m1, c2, said))
        put["M2"] = m2 = cbor([c2, of(0x26, 64)])
        put["H(M1, M2)"] = transcript(m1, m2)
        put["I signs"] = signed("link-i", transcript(m1, m2, said))
        m3 = of(0x27, 64)
        put["h3"] = h3 = transcript(m1, m2, m3)
        put["traffic key of R"] = hkdf(secret, h3, "foedus link traffic responder/1")
        put["traffic key of I"] = hkdf(secret, h3, "foedus link traffic initiator/1")
        for number, plain in enumerate((["pending"], ["ping", 7])):
            put[f"frame {number}"] = data = cbor(plain)
            nonce = number.to_bytes(12, "big")
            sealed = crypto_aead_chacha20poly1305_ietf_encrypt(data, b"", nonce, put["traffic key of R"])
            put[f"frame {number} sealed by R"] = sealed

    def _http(self) -> None:
        put = self.values
        created, key = AT // SECOND, f'keyid="{self.node.hex()}";alg="ed25519";tag="foedus"'
        covered = '("@method" "@target-uri" "content-digest" "foedus-to")'
        parameters = f'{covered};created={created};nonce="{base64_of(of(0x31, 16))}";{key}'
        digest = f"sha-256=:{base64_of(sha(frame(put['envelope'])))}:"
        put["request base"] = base = (
            f'"@method": POST\n"@target-uri": {URI}\n"content-digest": {digest}\n'
            f'"foedus-to": {PEER.hex()}\n"@signature-params": {parameters}'
        )
        put["Signature-Input"] = f"foedus={parameters}"
        put["Signature"] = f"foedus=:{base64_of(self.node_key.sign('http', base.encode()))}:"
        answer = f'("@status" "content-digest" "signature";req);created={created};{key}'
        put["response base"] = (
            f'"@status": 200\n"content-digest": sha-256=:{base64_of(sha(b"{}"))}:\n'
            f'"signature";req: {put["Signature"]}\n"@signature-params": {answer}'
        )
