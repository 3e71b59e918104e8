"""The examples of docs/sdk.md are run as they stand, in order, each as a process, against two real nodes."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from itertools import product

import pytest

from foedus.adapters.device_folder import DeviceFolder
from tests.docs.pages import blocks, read
from tests.node.councils import found
from tests.node.nodes import connect, share, street, until
from tests.node.people import agent, enrol

_PASSPHRASE = "only for this page"
_PATIENCE_S = 200

EXPECTED = [
    r"scout says: six boats are in",
    r"new: six boats are in",
    r"oak holds \d+ events\nscout said: six boats are in \(proved\)",
    r"durable as event [0-9a-f]{64}",
    r"\['harbour'\]",
    r"connected with [0-9a-f]{64} under agreement [0-9a-f]{64}\nwhich allows\n  /foedus/agent/call(\n  /foedus/\S+)+",
    r"waits for a person: may I count the boats\?\nallowed: [0-9a-f]{64}\nsaid at once: [0-9a-f]{64}",
    r"tides low water at seven told by scout revision 1\ndone seven",
    r"7 \['rope'\]",
    r"told by \('[0-9a-f]{64}'",
    r"it has read \{'read': 5\}\nit says \{'text': 'salve'\}",
    r"result vale, ada",
    r"elm version 1\n  .+",
    r"done at 1 3 of 4 signed",
    r"unknown_room: .+\nno_answer: ",
]
"""What each example shows."""


async def _run(code, environment, folder):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-W",
        "error",
        "-c",
        code,
        env=environment,
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    shown, said = await asyncio.wait_for(process.communicate(), _PATIENCE_S)
    assert process.returncode == 0, f"{code}\n{said.decode()}"
    assert not said, said.decode()
    return shown.decode()


async def _accept(running, asker):
    """Do what the other side's human does while the example waits; return once the link is up."""
    await until(lambda: asker.id in {it.node for it in running.service.peers_pending()}, "the request arrives")
    await running.service.peer_accept(asker.id)


def _environment(oak, device, **more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FOEDUS_")}
    return kept | {
        "FOEDUS_URL": oak.url,
        "FOEDUS_TOKEN": oak.node.home.token(),
        "FOEDUS_DEVICE": str(device),
        "FOEDUS_PASSPHRASE": _PASSPHRASE,
        **more,
    }


@pytest.mark.slow
async def test_the_examples_work_as_typed(tmp_path):
    examples = blocks(read("docs/sdk.md"), "python")
    assert len(examples) == len(EXPECTED)
    async with street(tmp_path) as nodes:
        oak, elm = await nodes.add("oak"), await nodes.add("elm")
        ada = await enrol(oak, "ada")
        folder = DeviceFolder(tmp_path / "device")
        folder.add("ada", ada.did, oak.node.store.node, "human", ada.key.seed, _PASSPHRASE)
        peer = {"PEER_HOST": "127.0.0.1", "PEER_PORT": str(elm.server.port), "PEER_KEY": elm.id}
        more = peer | {"AGENT": await agent(oak, "tally")}
        for code, expected in zip(examples, EXPECTED, strict=True):
            human = asyncio.create_task(_accept(elm, oak)) if "join_federation" in code else None
            if "ROOM" in code:
                await until(lambda: oak.is_linked(elm), "they are connected")
                more["ROOM"] = await share(elm, oak, room="quay")
            if "byzantine_commit" in code:
                others = [await nodes.add("ash"), await nodes.add("yew")]
                for one, other in [*product((oak, elm), others), tuple(others)]:
                    await connect(one, other)
                await found([oak, elm, *others])
            shown = await _run(code, _environment(oak, folder.path, **more), tmp_path)
            if human is not None:
                await human
            assert re.search(expected, shown), f"{code}\n{shown}"
        said = ["may I count the boats?", "I count seven"]
        await until(lambda: elm.texts("quay") == said, "both have crossed")
