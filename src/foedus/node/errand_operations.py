"""What surfaces may do about errands."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from foedus.base.errors import NotFound, UsageError
from foedus.base.ids import parse_id
from foedus.node.errand_records import NOTE_BYTES_MAX, Errand
from foedus.node.errand_values import ErrandForm, ErrandNews, ErrandView
from foedus.node.notice_sending import check_notice, send_notice
from foedus.query.schemas import write_json
from foedus.values.calls import CapabilityView

if TYPE_CHECKING:
    from foedus.node.composition import Node
    from foedus.node.query_forms import Asked, AskedSigned
    from foedus.values.queries import AnswersView


class ErrandOperations:
    """Operations on errands, for ``Service``. ``did``: whose they must be."""

    _node: Node
    if TYPE_CHECKING:

        async def answers(self, asked: Asked | AskedSigned) -> AnswersView:
            """Ask the peers: of ``QueryOperations``."""
            ...

    async def errand_begin(self, form: ErrandForm) -> ErrandView:
        """Keep an errand and set out; durable when it returns. What was sent under this key before is returned."""
        who = self._node.agents.find(form.did)
        if who.custody != "node":
            raise UsageError(
                f"{who.name} has a key of its own, and calls by itself", code="token_not_bound", http_status=403
            )
        if len(form.note) > NOTE_BYTES_MAX:
            raise UsageError(f"an errand has at most {NOTE_BYTES_MAX} bytes", code="too_large", http_status=413)
        now = self._node.store.now()
        record = Errand(
            did=who.did,
            key=form.key,
            context=form.context,
            host=parse_id(form.node),
            name=form.name,
            offer=parse_id(form.offer),
            input=write_json(form.input),
            at=now,
            until=now + form.wait_ms * 1_000,
            note=form.note,
            changed=now,
        )
        return self._errand(await self._node.errands.begin(record))

    def errands(self, did: str) -> list[ErrandView]:
        """Return a participant's, the newest first; all of them for ''."""
        held = reversed(list(self._node.errands.book))
        return [self._errand(errand) for errand, record in held if did in {"", record.did}]

    def errand(self, errand: str, did: str) -> ErrandView:
        """Return one; raise NotFound."""
        return self._errand(self._own_errand(errand, did))

    async def errand_cancel(self, errand: str, did: str) -> ErrandView:
        """Ask for one to end; raise NotFound."""
        found = self._own_errand(errand, did)
        await self._node.errands.cancel(found)
        return self._errand(found)

    async def errand_note(self, errand: str, did: str, note: bytes) -> None:
        """Keep a surface's own words with one, in place of those before."""
        if len(note) > NOTE_BYTES_MAX:
            raise UsageError(f"an errand has at most {NOTE_BYTES_MAX} bytes", code="too_large", http_status=413)
        await self._node.errands.note(self._own_errand(errand, did), note)

    async def errand_follow(self, errand: str, did: str) -> AsyncGenerator[ErrandNews, None]:
        """Yield what is new of one until it is over; raise NotFound."""
        found = self._own_errand(errand, did)
        async with aclosing(self._node.errands.follow(found)) as coming:
            async for one in coming:
                view = self._errand(found)
                yield (
                    ErrandNews(errand=view)
                    if one is None
                    else ErrandNews(errand=view, number=one.number, data=one.data)
                )

    def notice_check(self, url: str) -> None:
        """Raise UsageError where an agent may not have anything sent to a URL."""
        check_notice(self._node, url)

    async def notice_send(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """Send a notice for an agent; return the HTTP status, 0 where there was no answer."""
        return await send_notice(self._node, url, headers, body)

    def sign_card(self, data: bytes) -> bytes:
        """Sign what says which agents are reached here: the signing input of a JWS, by the node's Ed25519 key."""
        return self._node.store.keys.ed25519.sign(data)

    # --- what peers offer ---------------------------------------------------------------------

    async def offers_ask(self) -> None:
        """Ask the connected peers what their agents offer; who answers is known anew. Raises UsageError."""
        await self._node.peer_offers.ask(self)

    def offers_known(self) -> list[CapabilityView]:
        """Return what agents of connected peers offered when this node last asked."""
        return self._node.peer_offers.known()

    def _own_errand(self, errand: str, did: str) -> bytes:
        try:
            found = bytes.fromhex(errand)
        except ValueError:
            found = b""
        record = self._node.errands.book.get(found)
        if record is None or record.did != did:
            raise NotFound("there is no such errand", code="unknown_errand")
        return found

    def _errand(self, errand: bytes) -> ErrandView:
        record = self._node.errands.book.get(errand)
        if record is None:
            raise NotFound("there is no such errand", code="unknown_errand")
        return ErrandView(
            errand=errand.hex(),
            did=record.did,
            context=record.context,
            node=record.host.hex(),
            name=record.name,
            state=record.state,
            why=record.why,
            words=record.words,
            outcome=record.outcome,
            output=_json(record.output),
            call=record.call.hex(),
            at=record.at,
            until=record.until,
            changed=record.changed,
            note=record.note,
        )


def _json(data: bytes | None) -> Any:
    try:
        return None if data is None else json.loads(data)
    except (ValueError, RecursionError):
        return None
