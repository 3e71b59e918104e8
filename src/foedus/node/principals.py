"""Which key speaks for whom, by the identity records and enrolments held here."""

from __future__ import annotations

from foedus.base.errors import PeerViolation
from foedus.identity.did import did_of, key_of
from foedus.log.participants import Device
from foedus.node.store import Store


class Principals:
    """Answers for DIDs of nodes (any epoch) and of participants' devices."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def speaks_for(self, key_did: str, named: str) -> bool:
        """Tell whether the key of ``key_did`` speaks for ``named`` now.

        It does if it is the same and nothing here says that it was stolen or lost; a device in force speaks for its
        participant, the newest epoch of a node for the former ones. When a lost key signed only it says, so nothing
        that it signed is believed any more.
        """
        try:
            key = key_of(key_did)
        except PeerViolation:
            return False
        devices = self._devices(key)
        if devices and all(device.cuts is not None for _, device in devices):
            return False
        if self._is_void(key):
            return False
        return key_did == named or self._for_participant(devices, named) or self._for_node(key, named)

    def node_of(self, did: str) -> bytes | None:
        """Return the id of the node that a DID names, or at which its participant is; None where it is not known."""
        try:
            key = key_of(did)
        except PeerViolation:
            return None
        for node in self._store.identities.nodes():
            if any(record.record.keys.ed25519 == key for record in self._store.identities.held(node)):
                return node
        return next(
            (node for (node, _), who in self._store.admission.authority.participants.items() if key in who.devices),
            None,
        )

    def _devices(self, key: bytes) -> list[tuple[str, Device]]:
        """Return (participant DID, device) of every enrolment of a key."""
        participants = self._store.admission.authority.participants
        return [(did, who.devices[key]) for (_, did), who in participants.items() if key in who.devices]

    @staticmethod
    def _for_participant(devices: list[tuple[str, Device]], named: str) -> bool:
        return any(did == named and device.cuts is None for did, device in devices)

    def _for_node(self, key: bytes, named: str) -> bool:
        identities = self._store.identities
        for node in identities.nodes():
            newest = identities.newest(node)
            if newest is not None and newest.record.keys.ed25519 == key:
                return any(did_of(record.record.keys.ed25519) == named for record in identities.history(node))
        return False

    def _is_void(self, key: bytes) -> bool:
        """Whether the key is of an epoch that a recovery voided, and of no honoured one."""
        identities = self._store.identities
        epochs = [
            record.id
            for node in identities.nodes()
            for record in identities.held(node)
            if record.record.keys.ed25519 == key
        ]
        return bool(epochs) and not any(identities.is_honoured(epoch) for epoch in epochs)
