"""Updates of a council, as devices sign them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from bench.processes import BenchNode
from foedus.base.cbor import encode, to_plain
from foedus.base.ids import parse_id
from foedus.base.limits import NONCE_BYTES
from foedus.consensus.machine import Put
from foedus.consensus.updates import Update
from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.did import did_of
from foedus.surfaces.cli.client import path_of
from foedus.surfaces.cli.delegating import Scope
from foedus.surfaces.cli.devices import sign
from foedus.surfaces.cli.participants import enrolment_draft
from foedus.surfaces.cli.persons import Person
from foedus.trust.border import PROPOSE
from foedus.values.node import Placed

_KEYS = 500


def agents(node: BenchNode, count: int) -> list[Author]:
    """Return agents with devices of their own, each with a person's grant. Before connecting: agreements name them."""
    own, human_key = bytes.fromhex(node.id), Ed25519Key(secrets.token_bytes(32))
    human = Person(did_of(human_key.public), human_key, _enrol(node, human_key, own, "human"))
    found = []
    for _ in range(count):
        key = Ed25519Key(secrets.token_bytes(32))
        enrolment = _enrol(node, key, own, "agent")
        placed = human.give(node.client, did_of(key.public), Scope(PROPOSE))
        found.append(Author((enrolment, parse_id(placed.id)), key))
    return found


def _enrol(node: BenchNode, key: Ed25519Key, own: bytes, kind: str) -> bytes:
    did = did_of(key.public)
    signed = sign(node.client, key, enrolment_draft(key, own, kind, f"{kind} {did[-6:]}"))
    return parse_id(node.client.post(path_of("participants", did, "acts"), Placed, signed).id)


class Author:
    """Signs updates on a device of its own. ``auth``: the enrolment of that device, and what carries what it asks."""

    def __init__(self, auth: Sequence[bytes] = (), key: Ed25519Key | None = None) -> None:
        self._auth = tuple(auth)
        self._key = key or Ed25519Key(secrets.token_bytes(32))
        self._did = did_of(self._key.public)

    def update(self, council: bytes, number: int, until: int) -> bytes:
        """Return a signed update, as members carry it."""
        command = encode(to_plain(Put(f"k{number % _KEYS}", b"%d" % number, None)))
        nonce = secrets.token_bytes(NONCE_BYTES)
        fields = (council, self._did, self._key.public, until, nonce, self._auth, command)
        return Update(*fields, self._key.sign(Update(*fields, bytes(64)).signed())).encoded
