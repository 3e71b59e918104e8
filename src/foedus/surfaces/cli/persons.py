"""A person at this node, with the key of theirs that this device holds."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import NamedTuple

from foedus.base.errors import UsageError
from foedus.base.ids import parse_id
from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.ucan.ipld import cid_of_text
from foedus.surfaces.cli.client import Client, path_of
from foedus.surfaces.cli.delegating import NONCE_BYTES, Scope, grant, grant_draft, revocation_draft
from foedus.surfaces.cli.devices import device_folder, enrolled, sign, unlock
from foedus.surfaces.cli.options import PassphraseFile
from foedus.surfaces.cli.participants import find_one
from foedus.values.node import ParticipantView, Placed, SignedAct


class Person(NamedTuple):
    """Who signs: their DID, the device key, and the event that enrolled it."""

    did: str
    key: Ed25519Key
    enrolment: bytes

    def signed_grant(self, node: Client, audience: str, scope: Scope) -> SignedAct:
        """Return a signed ``grant.create`` to a device."""
        ucan = grant(self.key, audience, scope, time.time_ns() // 1000, os.urandom(NONCE_BYTES))
        return sign(node, self.key, grant_draft(self.did, self.enrolment, ucan))

    def give(self, node: Client, audience: str, scope: Scope) -> Placed:
        """Sign and order a grant."""
        return node.post(path_of("participants", self.did, "acts"), Placed, self.signed_grant(node, audience, scope))

    def take_back(self, node: Client, cid: str, cuts: Sequence[tuple[str, int, str]]) -> Placed:
        """Sign and order a revocation."""
        named = cid_of_text(cid)
        raw = [(parse_id(chain), seq, parse_id(last)) for chain, seq, last in cuts]
        draft = revocation_draft(self.key, self.did, self.enrolment, named, raw)
        return node.post(path_of("participants", self.did, "acts"), Placed, sign(node, self.key, draft))


def human(local: list[ParticipantView], name: str) -> ParticipantView:
    """Return the person of this node by that name; raise NotFound, or UsageError where it is an agent's."""
    who = find_one(local, name, " of this node")
    if who.kind != "human":
        raise UsageError(
            f"{who.name} is an agent: only a person signs this", code="not_human", remedy="give a person's name: --as"
        )
    return who


def person(local: list[ParticipantView], name: str, file: PassphraseFile) -> Person:
    """Return the person of that name, or the only one of this node, unlocked. Raises UsageError, NotFound."""
    people = [who for who in local if who.kind == "human"]
    if name:
        who = human(local, name)
    elif len(people) == 1:
        who = people[0]
    else:
        names = ", ".join(sorted(who.name for who in people)) or "none"
        raise UsageError(f"who signs? The people of this node: {names}", code="person_needed", remedy="add --as NAME")
    folder = device_folder()
    entry, device = enrolled(folder, who)
    return Person(who.did, unlock(folder, entry, file), parse_id(device.enrolment))
