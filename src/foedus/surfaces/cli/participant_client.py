"""The node as a participant's token opens it: from the environment, or from a profile that pairing left."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from foedus.adapters.device_profiles import Profile, profiles
from foedus.base.errors import NotFound, UsageError
from foedus.base.ids import parse_id
from foedus.base.limits import NONCE_BYTES
from foedus.identity.request_proof import PROOF_HEADER, ProvedRequest, make_proof
from foedus.surfaces.cli.client import Client
from foedus.surfaces.cli.devices import device_folder, unlock
from foedus.surfaces.cli.errors import NotRunning
from foedus.values.access import CallerView

if TYPE_CHECKING:
    from pathlib import Path

    from foedus.crypto.ed25519 import Ed25519Key


class PublicClient(Client):
    """Asks the doors of a node at a URL that are open to anyone."""

    def __init__(self, url: str) -> None:
        if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
            raise UsageError(
                f"{url!r} is no address of a node", code="bad_url", remedy="such as https://node.example:8102"
            )
        self._url = url

    def url(self) -> str:
        """Return where the node answers."""
        return self._url

    def authorization(self, _method: str, _target: str, _body: bytes) -> dict[str, str]:
        """Say nothing about who asks."""
        return {}

    def not_running(self) -> NotRunning:
        """Return the error for a node that does not answer."""
        return NotRunning(f"no node answers at {self._url}", remedy="ask whoever runs it whether the address is right")


class ParticipantClient(PublicClient):
    """Asks a node as a participant: with its token, and a proof of its device where the token is bound to one."""

    def __init__(self, url: str, token: str, profile: Profile | None, passphrase_file: Path | None) -> None:
        super().__init__(url)
        self.token = token
        self.profile = profile
        self._passphrase_file = passphrase_file

    def speaker(self) -> str:
        """Return whose token it is."""
        return self.profile.did if self.profile else self.get("/caller", CallerView).did

    def authorization(self, method: str, target: str, body: bytes) -> dict[str, str]:
        """Return the token, and the device's proof."""
        headers = {"Authorization": f"Bearer {self.token}"}
        if self.profile is not None:
            node = parse_id(self.profile.node)
            request = ProvedRequest(method=method, target=target, body=body, node=node, token=self.token)
            now = time.time_ns() // 1000
            headers[PROOF_HEADER] = make_proof(self._key(self.profile), request, now, os.urandom(NONCE_BYTES))
        return headers

    def _key(self, profile: Profile) -> Ed25519Key:
        if self.opened is not None:
            return self.opened
        folder = device_folder()
        for entry in folder.list():
            if entry.public.hex() == profile.device:
                self.opened = unlock(folder, entry, self._passphrase_file)
                return self.opened
        raise NotFound(
            f"the key of {profile.name} is not in {folder.path}",
            code="no_device_key",
            remedy="set FOEDUS_DEVICE to the folder that holds it, or pair this machine: `foedus pair device`",
        )


def chosen_client(passphrase_file: Path | None, *, made_here: bool) -> Client | None:
    """Return the client of a participant where one is meant, else None: then the operator's home is.

    FOEDUS_TOKEN (with FOEDUS_URL) comes first. A profile serves where FOEDUS_URL names it, and where no node was made
    on this machine.
    """
    token, url = os.environ.get("FOEDUS_TOKEN", ""), os.environ.get("FOEDUS_URL", "").rstrip("/")
    if not (token or url) and made_here:
        return None
    known = profiles(device_folder().path)
    if token:
        profile = next((profile for profile in known if profile.token == token), None)
        if not url and profile is None:
            raise UsageError("whose token is it?", code="no_url", remedy="set FOEDUS_URL to the node's address as well")
        return ParticipantClient(url or (profile.url if profile else ""), token, profile, passphrase_file)
    meant = [profile for profile in known if url in {"", profile.url}]
    if len(meant) == 1:
        return ParticipantClient(meant[0].url, meant[0].token, meant[0], passphrase_file)
    if url or meant:
        raise UsageError(
            f"{len(meant)} devices in {device_folder().path} are paired with {url or 'nodes'}",
            code="profile_needed",
            remedy="set FOEDUS_URL to the node's address, or FOEDUS_TOKEN, or pair: `foedus pair device URL CODE`",
        )
    return None
