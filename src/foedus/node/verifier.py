"""Judging credentials that others show: by whom this node believes, and by status lists that the issuer's node serves.

A list is fetched from the node of the issuer alone, where that is a connected peer: the address in a credential
chooses the list, never the host.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from contextlib import suppress

from foedus.base.clock import Instant
from foedus.base.errors import FoedusError
from foedus.base.limits import DAY
from foedus.identity.credentials.credential import Credential
from foedus.identity.credentials.document import (
    PRESENTATION_BYTES_MAX,
    STATUS_LIST_BYTES_MAX,
    Document,
    read_document,
)
from foedus.identity.credentials.errors import CredentialRefused, StatusUnknown
from foedus.identity.credentials.issuing import Question
from foedus.identity.credentials.verifying import (
    CREDENTIALS_MAX,
    PRESENTATION_AGE_MAX,
    Judge,
    Presented,
    StatusList,
    check_credential,
    read_status_list,
    verify_credential,
    verify_presentation,
)
from foedus.node.composition import Node
from foedus.node.credential_store import STATUS_ROOT, CredentialStore, list_id_in
from foedus.node.principals import Principals
from foedus.trust.peer import State

CHALLENGES_MAX = 256
"""Questions that wait for an answer: each is 32 characters for ten minutes; the oldest goes first."""
NEWEST_LISTS_MAX = 1_024
"""Lists of others of which the newest time is remembered, so that an older one is not shown in its place."""
GIVEN_DAYS_MAX = 30
"""How old a list may be that a person gives: what was taken back since is not in it, and whoever shows the credential
may choose which list they hand over. The issuer's own node is asked where it can be, and serves what is in force."""
_CHALLENGE_BYTES = 16
_SHOWN = "verifiableCredential"


class TooOld(StatusUnknown):
    """A status list that was given is so old that it says nothing any more."""

    remedy = "ask the issuer for a new one (it signs one with each revocation), or connect to its node"


class Verifier:
    """Judges for one node."""

    def __init__(self, node: Node, kept: CredentialStore, principals: Principals) -> None:
        self._node = node
        self._kept = kept
        self._principals = principals
        self._challenges: OrderedDict[str, Instant] = OrderedDict()
        self._newest: OrderedDict[tuple[str, str], Instant] = OrderedDict()

    def challenge(self) -> tuple[str, Instant]:
        """Return a fresh challenge, and until when this node takes an answer to it."""
        while len(self._challenges) >= CHALLENGES_MAX:
            self._challenges.popitem(last=False)
        challenge = secrets.token_hex(_CHALLENGE_BYTES)  # no hyphen in front, which a command line takes for a flag
        self._challenges[challenge] = self._node.store.now() + PRESENTATION_AGE_MAX
        return challenge, self._challenges[challenge]

    async def verify(self, text: str, question: Question, list_texts: list[str]) -> Presented:
        """Judge a presentation, or a bare credential (``holder`` is ''); raise CredentialRefused. Refusals are counted.

        Without a challenge in ``question`` it must answer one of this node's, which is spent once it is believed.
        """
        try:
            document = read_document(text, PRESENTATION_BYTES_MAX)
            judge = await self._judge(document, list_texts)
            if _SHOWN not in document:
                return Presented("", (verify_credential(document, judge),))
            challenge = question.challenge or self._answered(document)
            presented = verify_presentation(document, Question(challenge, question.domain), judge)
            if not question.challenge:
                del self._challenges[challenge]
            return presented  # noqa: TRY300  # nothing may be awaited between the look at the challenge and its end
        except FoedusError as error:
            self._node.ingest.refusals[error.code] += 1
            raise

    async def _judge(self, document: Document, list_texts: list[str]) -> Judge:
        given = [read_document(text, STATUS_LIST_BYTES_MAX) for text in list_texts[:CREDENTIALS_MAX]]
        found = {str(one.get("id", "")): one for one in given}
        shown = document.get(_SHOWN, [document])
        for one in shown[:CREDENTIALS_MAX] if isinstance(shown, list) else []:
            if isinstance(one, dict):
                await self._find_list(one, found)
        return Judge(
            now=self._node.store.now(),
            register=self._kept.register,
            speaks_for=self._principals.speaks_for,
            status_lists=found,
        )

    def _answered(self, document: Document) -> str:
        """Return the challenge that a presentation answers, if this node gave it and believed no answer to it yet.

        A refusal leaves it open: its person may then trust the issuer, say, and look again.
        """
        proof = document.get("proof")
        answered = proof.get("challenge") if isinstance(proof, dict) else None
        if not isinstance(answered, str) or self._challenges.get(answered, 0) < self._node.store.now():
            return ""
        return answered

    async def _find_list(self, secured: Document, found: dict[str, Document]) -> None:
        """Put the status list of a credential into ``found``: as its issuer's node serves it, else as it was given."""
        _, credential = check_credential(secured)
        if credential.status is None:
            return
        url = credential.status.url
        served = await self._ask(credential, url)
        if served is not None and self._may_tell(served, credential):
            found[url] = served
        if url not in found:
            return
        listed = self._read(found[url], url)
        if listed is not None and found[url] is not served:
            self._check_age(listed)
        if listed is not None:
            self._remember(listed, found)

    def _read(self, document: Document, url: str) -> StatusList | None:
        """Return a list that holds; None where it does not: the judge says so, in its order."""
        with suppress(CredentialRefused):
            return read_status_list(document, url, self._node.store.now())
        return None

    def _check_age(self, given: StatusList) -> None:
        """Raise TooOld where so much time has passed that a list which a person gives says too little."""
        days = (self._node.store.now() - given.issued_at) // DAY
        if days >= GIVEN_DAYS_MAX:
            raise TooOld(f"the status list is {days} days old, and one that is given counts for {GIVEN_DAYS_MAX}")

    async def _ask(self, credential: Credential, url: str) -> Document | None:
        """Return the list from the issuer's node: this one, or a connected peer; None where it cannot be had."""
        list_id, node = list_id_in(url), self._principals.node_of(credential.issuer)
        if list_id is None or node is None:
            return None
        if node == self._node.store.node:
            return self._kept.lists.get(list_id)
        peer = self._node.peers.book.peer(node)
        addresses = [peer.url, *peer.endpoints] if peer.state is State.CONNECTED else []
        for address in dict.fromkeys(address for address in addresses if address):
            try:
                data = await self._node.client.public(address, f"{STATUS_ROOT}/{list_id}", STATUS_LIST_BYTES_MAX)
            except FoedusError:
                continue  # not reached, or it has none: without a list nothing is believed
            return read_document(data, STATUS_LIST_BYTES_MAX)
        return None

    def _may_tell(self, served: Document, credential: Credential) -> bool:
        """Whether a list that a node served is its own issuer's: a list of another it could have kept from before."""
        issuer = str(served.get("issuer"))
        speaks_for = self._principals.speaks_for
        return speaks_for(issuer, credential.issuer) or speaks_for(credential.issuer, issuer)

    def _remember(self, listed: StatusList, found: dict[str, Document]) -> None:
        """Take a list out of ``found`` where its issuer showed a newer one: an old one would hide a revocation."""
        key = (listed.issuer, listed.url)
        if listed.issued_at < self._newest.get(key, 0):
            del found[listed.url]
            return
        self._newest[key] = listed.issued_at
        self._newest.move_to_end(key)
        while len(self._newest) > NEWEST_LISTS_MAX:
            self._newest.popitem(last=False)
