"""`foedus mcp`: the node for an agent that speaks MCP, over stdin and stdout."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from foedus.base.errors import UsageError
from foedus.surfaces.cli.options import COMMON, Common, PassphraseFile
from foedus.surfaces.mcp.configuration import WHERE, Access, ClientName, block
from foedus.values.node import ParticipantView

if TYPE_CHECKING:
    from pathlib import Path

    from foedus.sdk.device import Device
    from foedus.surfaces.cli.participant_client import ParticipantClient

app = App(name="mcp", help="The node for an agent that speaks MCP (docs/mcp.md).")


@app.default
def serve(*, passphrase_file: PassphraseFile = None, common: Common = COMMON) -> None:
    """Serve MCP over stdin and stdout to one agent, as that agent's own participant: whose FOEDUS_TOKEN it is.

    An MCP client starts this command. `foedus mcp config NAME` prints what to paste into its configuration.
    """
    import asyncio

    from foedus.surfaces.cli.devices import device_folder, unlock

    node = _participant(common, passphrase_file)
    device: Device | None = None
    if node.profile is not None:
        from foedus.base.ids import parse_id
        from foedus.sdk.device import Device as DeviceKey

        folder = device_folder()
        entry = next((it for it in folder.list() if it.public.hex() == node.profile.device), None)
        if entry is None:
            raise UsageError(
                f"the key of {node.profile.name} is not in {folder.path}",
                code="no_device_key",
                remedy="set FOEDUS_DEVICE to the folder that holds it",
            )
        device = DeviceKey(unlock(folder, entry, passphrase_file), node.profile.did, parse_id(node.profile.node))

    from foedus.sdk.client import Client
    from foedus.surfaces.mcp.stdio import serve_stdio

    async def run() -> None:
        await serve_stdio(Client(node.url(), node.token, device))

    asyncio.run(run())


@app.command
def config(
    agent: Annotated[str, Parameter(help="The agent's name or DID. Without: whose FOEDUS_TOKEN it is.")] = "",
    /,
    *,
    for_: Annotated[
        ClientName, Parameter(name="--for", show_default=True, help="The client whose configuration it is for.")
    ] = "claude-desktop",
    http: Annotated[
        bool, Parameter(negative="", help="By the node's own /mcp, without a program beside the client.")
    ] = False,
    common: Common = COMMON,
) -> None:
    """Print the block to paste into an MCP client's configuration. It holds the agent's token: keep it private.

    For an agent that is named a new token is issued, and its former one is void.
    """
    access = _issued(common, agent) if agent else _own(common)
    if http and access.device:
        raise UsageError(
            "a token that is bound to a device does not open /mcp: stock clients cannot prove the device",
            code="token_not_bound",
            remedy="leave out --http: `foedus mcp` proves it",
        )
    out = common.output()
    shown = block(for_, access, http=http)
    out.show(shown, lambda _: [[line] for line in json.dumps(shown, indent=2).split("\n")])
    out.words(f"into {WHERE[for_]}")


def _participant(common: Common, passphrase_file: Path | None) -> ParticipantClient:
    """Return the client of a participant; raise ParticipantsOnly where the operator's home is meant."""
    from foedus.surfaces.cli.participant_client import ParticipantClient

    node = common.client(passphrase_file)
    if not isinstance(node, ParticipantClient):
        from foedus.surfaces.http.other_protocols import ParticipantsOnly

        raise ParticipantsOnly("an agent acts as its own participant, and no participant's token is given")
    return node


def _own(common: Common) -> Access:
    from foedus.surfaces.cli.devices import device_folder

    node = _participant(common, None)
    return Access(node.url(), node.token, str(device_folder().path) if node.profile else "")


def _issued(common: Common, name: str) -> Access:
    from foedus.surfaces.cli.client import path_of
    from foedus.surfaces.cli.devices import device_folder
    from foedus.surfaces.cli.participants import find_one, keep_profile
    from foedus.values.access import TokenView

    node = common.client()
    who = find_one([it for it in node.get("/participants", list[ParticipantView]) if it.is_local], name)
    if who.kind != "agent":
        raise UsageError(f"{who.name} is a person", code="not_an_agent", remedy="make an agent: foedus participant add")
    issued = node.post(path_of("participants", who.did, "token"), TokenView, {"device": ""})
    if issued.bound:
        keep_profile(node, who, issued)
    return Access(node.url(), issued.token, str(device_folder().path) if issued.bound else "")
