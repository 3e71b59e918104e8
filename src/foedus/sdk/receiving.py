"""What an agent does with a webhook: see that its node sent it, that it is new, and that no call is run twice."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from foedus.base.clock import Instant
from foedus.base.errors import PeerViolation, UsageError
from foedus.base.limits import SECOND
from foedus.crypto.ed25519 import PUBLIC_BYTES
from foedus.identity.did import key_of
from foedus.identity.webhook_proof import WEBHOOK_HEADER, is_timely, read_delivery
from foedus.values.calls import WorkView

_KEPT_AFTER = 120 * SECOND
"""How long after a call's deadline it is remembered: the node brings none that is late, by its own clock."""


class NotFromNode(PeerViolation):
    """What came to a webhook is not a call that the node sent just now. Answer 401, and do nothing of it."""

    code = "bad_webhook_signature"
    http_status = 401
    remedy = "compare the key and the URL with `foedus id` and `foedus webhook list`, and the clocks"


class WebhookCall(WorkView, frozen=True):
    """A call that was brought. ``attempt``: above 1 it was sent before, and may have been received."""

    attempt: int


def verify_webhook(
    headers: Mapping[str, str], body: bytes, *, key: str, url: str, now: Instant | None = None
) -> WebhookCall:
    """Return the call in a request that the node of ``key`` sent to ``url``; raise NotFromNode.

    ``key``: the node's Ed25519 key, in hex or as did:key (`foedus id`); ``url``: as it was registered; ``body``: the
    bytes as they came; ``now``: µs, the clock of this machine without it. The same call may come again: give it to
    ``ReceivedCalls`` next.
    """
    given = next((value for name, value in headers.items() if name.lower() == WEBHOOK_HEADER), "")
    delivery = read_delivery(given, url, body, _key(key))
    if delivery is None:
        raise NotFromNode("the request is not signed by the node for this URL")
    if not is_timely(delivery, now if now is not None else int(time.time() * SECOND)):
        raise NotFromNode("the request is of another time than now")
    try:
        work = msgspec.json.decode(body, type=WorkView)
    except msgspec.DecodeError as error:
        raise NotFromNode(f"what the node sent is not understood: {error}") from None
    if work.call != delivery.call.hex():
        raise NotFromNode("the request brings another call than it says")
    return WebhookCall(attempt=delivery.attempt, **msgspec.structs.asdict(work))


class ReceivedCalls:
    """Which calls were begun: a file for each in ``folder``, so that it holds over a crash. One folder per agent."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder

    def begin(self, call: WebhookCall) -> bool:
        """Write durably that a call is begun; False where it was, by this or another process: answer 409."""
        try:
            file = os.open(self._folder / call.call, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            return False
        try:
            os.write(file, str(call.deadline).encode())
            os.fsync(file)
        finally:
            os.close(file)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return True

    def forget(self, now: Instant | None = None) -> int:
        """Remove what cannot come again; return how many. To be done now and then."""
        before = (now if now is not None else int(time.time() * SECOND)) - _KEPT_AFTER
        late = [file for file in self._folder.iterdir() if (text := file.read_text()).isdigit() and int(text) < before]
        for file in late:
            file.unlink(missing_ok=True)
        return len(late)


def _key(text: str) -> bytes:
    try:
        key = key_of(text) if text.startswith("did:") else bytes.fromhex(text)
    except (ValueError, PeerViolation):
        key = b""
    if len(key) != PUBLIC_BYTES:
        raise UsageError("that is no key", code="bad_key", remedy="give the Ed25519 key that `foedus id` shows")
    return key
