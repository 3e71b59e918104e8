"""Credentials that a person's device signs, and whom a command means. The node keeps and serves what is made here."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from foedus.base.errors import NotFound, UsageError
from foedus.base.limits import DAY
from foedus.identity.did import did_of
from foedus.surfaces.cli.devices import device_folder, enrolled, refuse_foreign, unlock
from foedus.surfaces.cli.participants import find_one
from foedus.values.credentials import CredentialView, PlaceView
from foedus.values.node import ParticipantView, PeerView

if TYPE_CHECKING:
    from pathlib import Path

    from foedus.base.clock import Instant
    from foedus.crypto.ed25519 import Ed25519Key
    from foedus.identity.credentials.document import Document
    from foedus.surfaces.cli.client import Client


def now() -> Instant:
    """Return this device's time."""
    return time.time_ns() // 1_000


def end_of(days: int) -> Instant | None:
    """Return when what is issued now ends; 0 days: not before it is revoked."""
    return now() + days * DAY if days else None


def did_meant(node: Client, who: str, *, yes: bool) -> str:
    """Return the DID of a participant or peer by name, id or DID; raise NotFound, or UsageError where two are meant.

    Where the name is no more than what that one calls itself, the person is asked, with the whole DID.
    """
    from foedus.surfaces.cli.client import path_of
    from foedus.surfaces.cli.prompts import confirm

    if who.startswith("did:"):
        return who
    found: ParticipantView | PeerView
    try:
        found = find_one(node.get("/participants", list[ParticipantView], {"q": who}), who)
    except NotFound:
        found = node.get(path_of("peers", who), PeerView)
    if not found.did:
        raise NotFound(f"the key of {who} is not known yet", remedy="connect to it first, or give its DID")
    if who == found.name != found.known_as:
        confirm(f"{who} is what {found.did} calls itself. Is that the one you mean?", yes=yes)
    return found.did


def device_key(node: Client, name: str, file: Path | None) -> Ed25519Key:
    """Return the key of this folder that speaks for a local participant; raise UsageError where the node keeps it."""
    who = find_one(node.get("/participants", list[ParticipantView], {"q": name}), name)
    refuse_foreign(who)
    if who.custody == "node":
        raise UsageError(
            f"the node keeps the key of {who.name}",
            code="custodial_key",
            remedy="a credential is issued by a person or by the node itself: leave out --as",
        )
    folder = device_folder()
    entry, _ = enrolled(folder, who)
    return unlock(folder, entry, file)


def issue_here(node: Client, key: Ed25519Key, kind: str, subject: str, claims: Document, days: int) -> CredentialView:
    """Issue a credential by a device's key: take a place in its status list, sign, and let the node keep both."""
    from foedus.identity.credentials.credential import StatusEntry
    from foedus.identity.credentials.document import to_text
    from foedus.identity.credentials.issuing import Claim, issue, issue_status_list
    from foedus.identity.credentials.status_list import empty_list
    from foedus.node.credentials import new_urn

    place = node.post("/credentials/place", PlaceView, {"issuer": did_of(key.public)})
    at = now()
    status = StatusEntry(place.url, place.place)
    claim = Claim(
        id=new_urn(),
        type=kind,
        subject=subject,
        claims=claims,
        valid_from=at,
        valid_until=end_of(days),
        status=status,
    )
    first = "" if place.status_list else to_text(issue_status_list(place.url, empty_list(), at, key))
    body = {"document": to_text(issue(claim, key)), "status_list": first}
    return node.post("/credentials/issued", CredentialView, body)


def revoke_here(node: Client, key: Ed25519Key, credential: str) -> None:
    """Sign the issuer's status list anew, with the place of a credential set."""
    from foedus.identity.credentials.document import STATUS_LIST_BYTES_MAX, read_document, to_text
    from foedus.identity.credentials.issuing import issue_status_list
    from foedus.identity.credentials.status_list import with_bit
    from foedus.identity.credentials.verifying import read_status_list
    from foedus.surfaces.cli.client import path_of

    held = node.get(path_of("credentials", credential, "status"), PlaceView)
    at = now()
    listed = read_status_list(read_document(held.status_list, STATUS_LIST_BYTES_MAX), held.url, at)
    signed = issue_status_list(held.url, with_bit(listed.bits, held.place), at, key)
    node.tell("POST", "/credentials/status", {"status_list": to_text(signed)})
