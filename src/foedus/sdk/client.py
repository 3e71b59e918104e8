"""The two clients: one to await, one to call plainly. Both have the same methods, from the same code."""

from __future__ import annotations

import ssl
from types import TracebackType
from typing import Generic, Self

from foedus.sdk.device import Device
from foedus.sdk.groups.calls import Calls, Capabilities, Webhooks
from foedus.sdk.groups.consent import Approvals, Grants
from foedus.sdk.groups.councils import Councils
from foedus.sdk.groups.credentials import Credentials
from foedus.sdk.groups.events import Events
from foedus.sdk.groups.knowledge import Knowledge, Tasks
from foedus.sdk.groups.node import Audit, Names, Node
from foedus.sdk.groups.participants import Access, Participants, Standings
from foedus.sdk.groups.passkeys import Passkeys
from foedus.sdk.groups.peers import Agreements, Peers, Trust
from foedus.sdk.groups.queries import Queries
from foedus.sdk.groups.rooms import Crdts, Documents, Rooms
from foedus.sdk.operation import Asynchronous, Blocking, M
from foedus.sdk.portal import Portal
from foedus.sdk.transport import Transport


class Api(Generic[M]):
    """Everything that a node's API does, by what it is about."""

    def __init__(self, client: Client, mode: M) -> None:
        self.node = Node(client, mode)
        self.peers = Peers(client, mode)
        self.trust = Trust(client, mode)
        self.agreements = Agreements(client, mode)
        self.participants = Participants(client, mode)
        self.access = Access(client, mode)
        self.passkeys = Passkeys(client, mode)
        self.standings = Standings(client, mode)
        self.rooms = Rooms(client, mode)
        self.crdts = Crdts(client, mode)
        self.documents = Documents(client, mode)
        self.grants = Grants(client, mode)
        self.approvals = Approvals(client, mode)
        self.events = Events(client, mode)
        self.names = Names(client, mode)
        self.credentials = Credentials(client, mode)
        self.audit = Audit(client, mode)
        self.knowledge = Knowledge(client, mode)
        self.tasks = Tasks(client, mode)
        self.queries = Queries(client, mode)
        self.capabilities = Capabilities(client, mode)
        self.calls = Calls(client, mode)
        self.webhooks = Webhooks(client, mode)
        self.councils = Councils(client, mode)


class Client(Api[Asynchronous]):
    """A node, from a program with an event loop.

    ``url``: such as http://127.0.0.1:8102; ``token``: the operator's (HOME/token) or a participant's, '' for what is
    open to anyone; ``device``: the key by which a person or agent signs, and which a token bound to it needs.
    ``tls``: how to check the node's certificate, else by the system's authorities. Serves one event loop.
    """

    def __init__(
        self, url: str, token: str, device: Device | None = None, *, tls: ssl.SSLContext | None = None
    ) -> None:
        self.device = device
        self.transport = Transport(url, token, device, tls)
        super().__init__(self, Asynchronous())

    async def close(self) -> None:
        """Close the connections."""
        await self.transport.close()

    async def __aenter__(self) -> Self:
        """Return the client, which closes at the end of the block."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self.close()


class PlainClient(Api[Blocking]):
    """A node, from a program without an event loop: the same methods, and each waits for its answer.

    Arguments as those of ``Client``. May be used by several threads; close it, or use it as a block.
    """

    def __init__(
        self, url: str, token: str, device: Device | None = None, *, tls: ssl.SSLContext | None = None
    ) -> None:
        self.asynchronous = Client(url, token, device, tls=tls)
        self._portal = Portal()
        super().__init__(self.asynchronous, Blocking(self._portal))

    def close(self) -> None:
        """Close the connections and end the thread; what other threads still wait for raises ``closed`` there."""
        self._portal.close(self.asynchronous.close())

    def __enter__(self) -> Self:
        """Return the client, which closes at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections and end the thread."""
        self.close()
