"""Bringing one call to its agent's webhook: again and again, with the same id, until it has it.

That the agent has it is durable before the first byte of its body is sent, and no sooner: what never reached anybody
can still be brought after a restart, and ends as *not run*. From then on nobody but the receiver knows whether a
delivery that broke was taken: each says by the call's id that it is the same, and the receiver runs it once.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from foedus.adapters.webhook_client import Answer, Lost, NotReached, Post, deliver
from foedus.base.errors import UsageError
from foedus.identity.webhook_proof import WEBHOOK_HEADER, Delivery, sign_delivery
from foedus.node.call_life import CallLife, Ending, failed
from foedus.node.webhook_book import Webhook
from foedus.query.schemas import BadJson, SchemaMismatch, read_json, write_json
from foedus.trust.webhooks import may_send

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from foedus.node.call_desk import CallDesk
    from foedus.node.store import Store
    from foedus.trust.policy import WebhookReach
    from foedus.values.calls import WorkView

TIMEOUT_S = 30.0
"""For one answer. Who needs longer answers 202, and brings the result to the node."""
PAUSE_S = 0.5
PAUSE_MAX_S = 60.0
"""Between two deliveries: twice as long each time, and never at the same moment as others."""
_OK, _ACCEPTED, _CONFLICT = 200, 202, 409
_LATER = frozenset({408, 425, 429})
_SERVER_ERROR = 500


class _Said(Struct, frozen=True):
    """An answer with status 200: ``output``, or ``code`` and ``message`` of an error."""

    output: msgspec.Raw | UnsetType = UNSET
    code: Annotated[str, Meta(pattern=r"\A[a-z0-9_.]{0,64}\Z")] = ""
    message: str = ""


class Parts(NamedTuple):
    """What a delivery works with.

    ``reach``: the policy in force; ``show``: a call as its agent sees it; ``note``: told (call, agent) before it does.
    """

    store: Store
    life: CallLife
    desk: CallDesk
    reach: Callable[[], WebhookReach]
    show: Callable[[bytes], WorkView]
    note: Callable[[bytes, str], Awaitable[None]]


class CallDelivery:
    """One call, from the first attempt to the last."""

    def __init__(self, parts: Parts, agent: str, call: bytes) -> None:
        self._parts = parts
        self._agent = agent
        self._call = call
        self._attempt = 0
        self._is_handed = False
        self._may_have_begun = False
        self.last = ""
        """How the last attempt went: a status, or the code of what hindered it."""

    async def attempt(self, hook: Webhook) -> float | None:
        """Deliver once; return after how many seconds to do it again, None where there is no more to do."""
        self._attempt += 1
        try:
            answer = await deliver(self._post(hook))
        except (NotReached, Lost) as error:
            self.last = error.code
            self._may_have_begun |= isinstance(error, Lost)
            return self._pause() if self._is_wanted() else None
        self.last = str(answer.status)
        if not self._is_wanted():
            return None
        if answer.status in _LATER or answer.status >= _SERVER_ERROR:
            self._may_have_begun |= answer.status >= _SERVER_ERROR
            return max(self._pause(), answer.retry_after_s or 0.0)
        await self._take(answer)
        return None

    def _is_wanted(self) -> bool:
        """Whether the call is still this delivery's to bring."""
        record = self._parts.life.record(self._call)
        return record is not None and record.state == ("handed" if self._is_handed else "open")

    def _pause(self) -> float:
        longest = min(PAUSE_MAX_S, PAUSE_S * (1 << min(self._attempt - 1, 16)))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311  # no secret: it spreads them

    def _post(self, hook: Webhook) -> Post:
        now, keys = self._parts.store.now(), self._parts.store.keys
        body = msgspec.json.encode(self._parts.show(self._call))
        delivery = Delivery(at=now, attempt=self._attempt, call=self._call, url=hook.url, body=body)
        target, reach = hook.target, self._parts.reach()
        return Post(
            url=hook.url,
            host=target.host,
            headers={
                "Content-Type": "application/json",
                "User-Agent": "foedus",
                "Idempotency-Key": self._call.hex(),
                WEBHOOK_HEADER: sign_delivery(keys.ed25519, delivery),
            },
            body=body,
            is_allowed=lambda address: may_send(target, address, reach, by_operator=hook.by_operator),
            last_word=self._hand,
            timeout_s=TIMEOUT_S,
        )

    async def _hand(self) -> bool:
        if not self._is_handed:
            await self._parts.note(self._call, self._agent)
            self._is_handed = await self._parts.life.hand(self._call) is not None
        return self._is_handed and self._is_wanted()

    async def _take(self, answer: Answer) -> None:
        """Do what an answer says that is not to be tried again."""
        if answer.status in {_ACCEPTED, _CONFLICT} and self._is_handed:
            return  # it has it: the result comes by POST /calls/{call}/result, or not by the deadline
        if answer.status != _OK or not self._is_handed:
            await self._refused(answer.status)
            return
        try:
            await self._parts.desk.finish(self._agent, self._call, _ending(answer.body))
        except (BadJson, SchemaMismatch):
            await self._parts.life.end(self._call, failed("bad_output", "the webhook answered what is no result"))
        except UsageError:
            return  # it was over just then

    async def _refused(self, status: int) -> None:
        if self._may_have_begun:
            ending = Ending("outcome_unknown", "webhook_refused")
        else:
            ending = failed("webhook_refused", f"the webhook answered with status {status}")
        await self._parts.life.end(self._call, ending)


def _ending(body: bytes) -> Ending:
    """Return what an answer says; raise BadJson."""
    try:
        said = msgspec.json.decode(body, type=_Said)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadJson(f"not an answer: {error}") from None
    if (said.output is UNSET) == (not said.code):
        raise BadJson("an answer has an output, or the code of an error")
    if isinstance(said.output, msgspec.Raw):
        return Ending("result", output=write_json(read_json(bytes(said.output), len(body))))
    return failed(said.code, said.message[:1_024])
