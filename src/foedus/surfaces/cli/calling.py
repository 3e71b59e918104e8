"""A call as it is sent: by the node, for a custodial agent, or signed on this device."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from foedus.base.base64url import from_base64url, to_base64url
from foedus.base.cbor import decode
from foedus.base.errors import UsageError
from foedus.base.ids import parse_id
from foedus.base.limits import AUTH_MAX, NONCE_BYTES, SECOND
from foedus.query.call import Call, call_bytes, encode_call
from foedus.surfaces.cli.client import path_of
from foedus.surfaces.cli.crossing import decided, grants_of, is_done, is_for_a_person, waits_for
from foedus.surfaces.cli.options import PassphraseFile
from foedus.values.calls import CallView
from foedus.values.consent import ApprovalView, GrantView
from foedus.values.node import ParticipantView, SigningContext

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foedus.crypto.ed25519 import Ed25519Key
    from foedus.surfaces.cli.client import Client

_AFTER_S = 10.0
"""Seconds beyond the deadline that the node has to answer the request."""
_LOOK_MS = 4_000
"""Of one request that waits for the end of a call: less than a client waits for any answer."""


class Called(NamedTuple):
    """What is called: node and offer by id in hex, the input, and how long it may take."""

    node: str
    name: str
    offer: str
    input: Any
    wait_s: float


class Caller:
    """Who calls: a participant, or (None) the node. A passphrase that is needed is asked for as it is made."""

    def __init__(self, node: Client, speaker: ParticipantView | None, file: PassphraseFile) -> None:
        from foedus.surfaces.cli.devices import device_folder, enrolled, signer_of

        self._node = node
        self._speaker = speaker
        self._key: Ed25519Key | None = None
        if speaker is not None and speaker.custody == "device":
            folder = device_folder()
            entry, device = enrolled(folder, speaker)
            self._enrolment = parse_id(device.enrolment)
            self._key = signer_of(node, folder, entry, file)

    def call(self, called: Called, for_person_s: int) -> CallView:
        """Call, and return the call when it is over; where it needs a person's yes, wait so long for it.

        Raises UsageError ``needs_approval`` where nobody said yes in that time; it names what waits for them.
        """
        body: dict[str, Any] = self._plain(called)
        if self._key is not None and self._speaker is not None:
            body = self._signed(called, _grants(self._node) if self._speaker.kind == "agent" else (), None)
        try:
            return self._post(body, called.wait_s)
        except UsageError as error:
            if not is_for_a_person(error, self._speaker):
                raise
        view = self._node.post("/calls/approvals", ApprovalView, self._plain(called))
        view = decided(self._node, view.id, for_person_s) if for_person_s else view
        if not is_done(view):
            raise waits_for(view, "call")
        if self._key is not None:
            return self._post(self._signed(called, grants_of(view), view), called.wait_s)
        return self._over(view.event, called.wait_s)

    def _plain(self, called: Called) -> dict[str, Any]:
        body = {"node": called.node, "name": called.name, "offer": called.offer, "input": called.input}
        return body | {"wait_ms": round(called.wait_s * 1000), "as": self._speaker.did if self._speaker else ""}

    def _post(self, body: dict[str, Any], wait_s: float) -> CallView:
        return self._node.post("/calls", CallView, body, timeout_s=wait_s + _AFTER_S)

    def _over(self, call: str, wait_s: float) -> CallView:
        """Return a call that the node made, when it is over, or as it is by its deadline."""
        end = time.monotonic() + wait_s
        while True:
            left_ms = max(0, round((end - time.monotonic()) * 1000))
            view = self._node.get(path_of("calls", call), CallView, {"wait_ms": min(left_ms, _LOOK_MS)})
            if view.state != "open" or not left_ms:
                return view

    def _signed(self, called: Called, grants: Sequence[bytes], allowed: ApprovalView | None) -> dict[str, str]:
        """Sign a call; what was allowed is taken as it is, hence the digest that a person signed."""
        if self._key is None or self._speaker is None:
            raise TypeError("the node signs this call")
        nonce, given = os.urandom(NONCE_BYTES), json.dumps(called.input, ensure_ascii=False).encode()
        if allowed is not None:
            nonce = from_base64url(allowed.salt, "salt")
            given = decode(from_base64url(allowed.body, "body"))["input"]
        context = self._node.get("/signing", SigningContext)
        call = Call(
            v=1,
            node=parse_id(context.node),
            epoch=parse_id(context.epoch),
            caller=self._speaker.did,
            device=self._key.public,
            host=parse_id(called.node),
            name=called.name,
            offer=parse_id(called.offer),
            input=given,
            at=context.now,
            deadline=context.now + round(called.wait_s * SECOND),
            auth=(self._enrolment, *grants),
            nonce=nonce,
        )
        try:
            data = encode_call(call)
        except ValueError as error:
            raise UsageError(f"the call: {error}", code="malformed_call") from None
        return {"call": to_base64url(data), "asig": to_base64url(self._key.sign(call_bytes(data)))}


def _grants(node: Client) -> list[bytes]:
    """Return the grants in force by which one may call, as many as a call cites."""
    from foedus.identity.ucan import covers
    from foedus.trust.border import CALL

    found = [view for view in node.get("/grants", list[GrantView]) if view.state == "in_force"]
    return [parse_id(view.id) for view in found if covers(view.command, CALL)][: AUTH_MAX - 1]
