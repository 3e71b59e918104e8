"""What a node keeps of credentials: those issued here, those held for their subjects, and its status lists."""

from __future__ import annotations

import re
import secrets

import msgspec
from msgspec import Struct

from foedus.base.clock import Instant
from foedus.base.errors import NotFound, UsageError
from foedus.base.ids import sha256
from foedus.identity.credentials.document import (
    CREDENTIAL_BYTES_MAX,
    STATUS_LIST_BYTES_MAX,
    Document,
    canonical,
    read_document,
)
from foedus.identity.credentials.register import Belief, IssuerRegister
from foedus.identity.credentials.status_list import STATUS_BITS_MIN
from foedus.log.port import Value
from foedus.node.lookup import find
from foedus.node.store import Store

ISSUED_MAX = 4_096
"""Credentials issued here: some 500 bytes are kept of each; one in 32 places of a single list."""
HELD_MAX = 256
"""Credentials held here: at their largest they are 4 MiB in memory."""
LISTS_MAX = 256
"""Issuers of this node, each with one list."""
LIST_ID_BYTES = 16
"""A random name: who knows no credential of a list does not find it."""
STATUS_ROOT = "/api/credentials/status"

_ISSUED, _HELD, _LISTS, _BELIEVED = "credentials_issued", "credentials_held", "credential_lists", "believed_issuers"
_REMEDY = "see `foedus credential list`"
_LIST_URL = re.compile(rf"https?://[^/?#\s]{{1,255}}{re.escape(STATUS_ROOT)}/([0-9a-f]{{{LIST_ID_BYTES * 2}}})")


class Issued(Struct, frozen=True):
    """What is kept of a credential that was issued here. ``list_id``: 32 hex digits; times in µs."""

    id: str
    types: tuple[str, ...]
    issuer: str
    subject: str
    valid_from: Instant | None
    valid_until: Instant | None
    list_id: str
    place: int


class CredentialStore:
    """Everything by SHA-256 of its canonical document; durable before it is told."""

    def __init__(self, store: Store) -> None:
        self._store = store
        values = store.log.values
        self.issued = {key: msgspec.json.decode(data, type=Issued) for key, data in values(_ISSUED).items()}
        self.held = {key: read_document(data, CREDENTIAL_BYTES_MAX) for key, data in values(_HELD).items()}
        self.lists = {key.hex(): read_document(data, STATUS_LIST_BYTES_MAX) for key, data in values(_LISTS).items()}
        self.register = IssuerRegister(msgspec.json.decode(data, type=Belief) for data in values(_BELIEVED).values())

    def find(self, wanted: str) -> bytes:
        """Return the key of the credential whose key, or its beginning, or id is ``wanted``; raise NotFound."""
        known = {key: issued.id for key, issued in self.issued.items()}
        known |= {key: str(document.get("id", "")) for key, document in self.held.items()}
        return find(wanted, known.items(), "credential", _REMEDY)

    # --- lists -------------------------------------------------------------------------------

    def list_of(self, issuer: str) -> str | None:
        """Return the id of an issuer's list, or None."""
        return next((list_id for list_id, document in self.lists.items() if document.get("issuer") == issuer), None)

    def free_place(self, list_id: str) -> int:
        """Return a random place that no credential has: neighbours tell nothing of when they were issued."""
        taken = {issued.place for issued in self.issued.values() if issued.list_id == list_id}
        while (place := secrets.randbelow(STATUS_BITS_MIN)) in taken:
            pass
        return place

    def is_free(self, list_id: str, place: int) -> bool:
        """Tell whether no credential has the place."""
        return all((issued.list_id, issued.place) != (list_id, place) for issued in self.issued.values())

    def list_document(self, list_id: str) -> Document:
        """Return the credential of a list of this node; raise NotFound."""
        if list_id not in self.lists:
            raise NotFound("there is no such status list", remedy="take its address from the credential")
        return self.lists[list_id]

    async def put_list(self, list_id: str, document: Document) -> None:
        """Keep a newer credential of a list."""
        await self._store.put(_list_value(list_id, document))
        self.lists[list_id] = document

    # --- credentials -------------------------------------------------------------------------

    async def add_issued(self, secured: Document, issued: Issued, status_list: Document | None) -> bytes:
        """Keep what was issued, with its list where that is new; return its key. Raise UsageError at the bounds."""
        if len(self.issued) >= ISSUED_MAX or (status_list is not None and len(self.lists) >= LISTS_MAX):
            raise UsageError("this node has issued as many credentials as it keeps", code="too_many_credentials")
        key = key_of_document(secured)
        values = [Value(_ISSUED, key, msgspec.json.encode(issued))]
        if status_list is not None:
            values.append(_list_value(issued.list_id, status_list))
        await self._store.put(*values)
        self.issued[key] = issued
        if status_list is not None:
            self.lists[issued.list_id] = status_list
        return key

    async def hold(self, secured: Document) -> bytes:
        """Keep a credential for its subject; return its key. Raise UsageError where too many are held."""
        key = key_of_document(secured)
        if key not in self.held and len(self.held) >= HELD_MAX:
            raise UsageError(
                f"{HELD_MAX} credentials are held", code="too_many_credentials", remedy="remove some first"
            )
        await self._store.put(Value(_HELD, key, canonical(secured)))
        self.held[key] = secured
        return key

    async def forget(self, key: bytes) -> None:
        """Hold a credential no longer; raise NotFound."""
        if key not in self.held:
            raise NotFound("this credential is not held here", code="unknown_credential", remedy=_REMEDY)
        await self._store.put(Value(_HELD, key, None))
        del self.held[key]

    # --- beliefs -----------------------------------------------------------------------------

    async def believe(self, belief: Belief) -> None:
        """Believe an issuer in claims of a type."""
        await self._store.put(Value(_BELIEVED, _belief_key(belief), msgspec.json.encode(belief)))
        self.register.add(belief)

    async def disbelieve(self, belief: Belief) -> None:
        """Believe it no longer; raise NotFound where it was not."""
        self.register.require(belief)
        await self._store.put(Value(_BELIEVED, _belief_key(belief), None))
        self.register.remove(belief)


def key_of_document(secured: Document) -> bytes:
    """Return the SHA-256 of a document with its proof."""
    return sha256(canonical(secured))


def list_id_in(url: str) -> str | None:
    """Return the id of the list that a URL of some node names; None where it is no such URL."""
    match = _LIST_URL.fullmatch(url)
    return match[1] if match else None


def _list_value(list_id: str, document: Document) -> Value:
    return Value(_LISTS, bytes.fromhex(list_id), canonical(document))


def _belief_key(belief: Belief) -> bytes:
    return sha256(f"{belief.type} {belief.issuer}".encode())
