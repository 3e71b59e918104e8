"""Devices that pair with a running node over HTTP, as docs/protocol.md says, and what they ask with their tokens."""

import json
import os
import time
from dataclasses import dataclass, field

import aiohttp
from yarl import URL

from foedus.base.base64url import from_base64url, to_base64url
from foedus.base.ids import parse_id
from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.did import did_of
from foedus.identity.pairing import PairingClaim, claim_bytes, plain
from foedus.identity.request_proof import PROOF_HEADER, ProvedRequest, make_proof
from foedus.log import streams
from foedus.log.participants import possession_bytes
from foedus.surfaces.cli.participants import enrolment_draft
from foedus.surfaces.cli.signing import Draft, Moment, signed_act


@dataclass
class Device:
    """A machine of a person or an agent: its key never leaves it."""

    running: object
    name: str = "laptop"
    key: Ed25519Key = field(default_factory=lambda: Ed25519Key(os.urandom(32)))
    token: str = ""
    did: str = ""
    step: dict = field(default_factory=dict)
    code: str = ""

    @property
    def public(self):
        return self.key.public.hex()

    async def send(self, method, target, body=None, headers=None):
        """Ask without any proof; return (status, JSON)."""
        data = b"" if body is None else json.dumps(body).encode()
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                method, URL(self.running.url + target, encoded=True), data=data or None, headers=headers or {}
            ) as response,
        ):
            text = await response.text()
            return response.status, json.loads(text) if text else None

    def headers(self, method, target, data=b"", at=None, nonce=None, key=None):
        """Return the token and the proof of a request."""
        request = ProvedRequest(
            method=method, target=target, body=data, node=parse_id(self.running.id), token=self.token
        )
        now = time.time_ns() // 1000 if at is None else at
        proof = make_proof(key or self.key, request, now, nonce or os.urandom(16))
        return {"Authorization": f"Bearer {self.token}", PROOF_HEADER: proof}

    async def ask(self, method, target, body=None, **proof):
        """Ask with the token and a fresh proof; return (status, JSON)."""
        data = b"" if body is None else json.dumps(body).encode()
        return await self.send(method, target, body, self.headers(method, target, data, **proof))

    # --- pairing ------------------------------------------------------------------------------

    async def claim(self, code):
        self.code = code
        status, step = await self.send(
            "POST", "/api/pair", {"step": "claim", "code": code, "device": self.public, "name": self.name}
        )
        self.step = step
        return status, step

    def proof_of_claim(self, **changes):
        parts = {
            "challenge": from_base64url(self.step["challenge"]),
            "code": plain(self.code),
            "node": parse_id(self.step["node"]),
            "epoch": parse_id(self.step["epoch"]),
            "device": self.key.public,
        }
        return to_base64url(self.key.sign(claim_bytes(PairingClaim(**(parts | changes)))))

    async def prove(self, signature=None, recovery=None, kind=None):
        """Prove the key, and enrol a new participant."""
        body = {"step": "prove", "pairing": self.step["pairing"], "signature": signature or self.proof_of_claim()}
        if self.step["did"]:
            consent = possession_bytes(self.step["did"], self.key.public, parse_id(self.step["node"]))
            body["possession"] = to_base64url(self.key.sign(consent))
        else:
            body["enrolment"] = self.enrolment(kind or self.step["kind"], recovery)
        status, answer = await self.send("POST", "/api/pair", body)
        if status == 200 and answer["state"] == "paired":
            self.token, self.did = answer["token"], answer["did"]
        return status, answer

    def enrolment(self, kind, recovery):
        draft = enrolment_draft(self.key, parse_id(self.step["node"]), kind, self.name, recovery)
        return self.signed(draft, self.step["epoch"])

    def signed(self, draft, epoch, key=None):
        moment = Moment(parse_id(epoch), time.time_ns() // 1000, os.urandom(16), os.urandom(32))
        act = signed_act(key or self.key, draft, moment)
        return {name: getattr(act, name) for name in ("act", "asig", "salt", "body")}

    # --- acts ---------------------------------------------------------------------------------

    def own(self):
        """Return this device's participant, as the node shows it."""
        return next(who for who in self.running.service.participants(self.did) if who.did == self.did)

    def enrolment_id(self):
        return parse_id(next(each.enrolment for each in self.own().devices if each.key == self.public))

    async def confirm(self, asking, auth=None, key=None):
        """Sign the enrolment of a further device that waits."""
        body = {
            "did": asking["did"],
            "node": parse_id(self.running.id),
            "kind": asking["kind"],
            "name": asking["device_name"],
            "custody": "device",
            "device": parse_id(asking["device"]),
            "possession": from_base64url(asking["possession"]),
            "recovery": None,
        }
        return await self.act("device.enrol", body, asking["did"], auth, key)

    async def revoke(self, device, did="", auth=None, key=None):
        return await self.act("device.revoke", {"device": device.key.public, "cuts": []}, did, auth, key)

    async def act(self, kind, body, did="", auth=None, key=None):
        did = did or self.did
        cited = (self.enrolment_id(),) if auth is None else auth
        draft = Draft(did, streams.participant(did), kind, body, auth=cited)
        signed = self.signed(draft, self.running.service.identity().epoch, key)
        return await self.ask("POST", f"/api/v1/participants/{did}/acts", signed)

    async def say(self, room, text, author=None):
        view = self.running.service.room(room)
        auth = (self.enrolment_id(), parse_id(view.members[0].id))
        draft = Draft(author or self.did, f"room:{view.room}", "message.text", {"text": text}, auth=auth)
        signed = self.signed(draft, self.running.service.identity().epoch)
        return await self.ask("POST", f"/api/v1/rooms/{room}/messages", signed)


async def paired(running, name="ada", kind="human", recovery=None):
    """Return a device that is paired as a new participant."""
    code = running.service.pair_generate("", kind).code
    device = Device(running, name)
    assert (await device.claim(code))[0] == 200
    status, answer = await device.prove(recovery=recovery)
    assert (status, answer["state"]) == (200, "paired"), answer
    assert device.did == did_of(device.key.public)
    return device


async def further(running, first, name="phone"):
    """Return a second device of a participant, confirmed by its first."""
    code = running.service.pair_generate(first.did, "human").code
    device = Device(running, name)
    assert (await device.claim(code))[0] == 200
    assert (await device.prove())[1]["state"] == "waiting"
    ((status, waiting),) = [await first.ask("GET", "/api/v1/pairings")]
    assert status == 200
    assert (await first.confirm(waiting[0]))[0] == 201
    assert (await device.prove())[1]["state"] == "paired"
    return device
