"""Deciding with other nodes: an update of a council, and the proof that the council decided it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from foedus.base.base64url import from_base64url

if TYPE_CHECKING:
    from foedus.sdk.client import Client


class CouncilUpdate(Struct, frozen=True):
    """A key of a council's map to set (None deletes it). ``council``: its id, 8 digits of it, or its name.

    ``if_value``: a list of the one value that it must have (None: none). ``as_``: an agent of the node in whose name.
    """

    council: str
    key: str
    value: bytes | None
    if_value: Sequence[bytes | None] | None = None
    as_: str = ""


class CommitProof(Struct, frozen=True, kw_only=True):
    """What a council decided, and ``data``: the file that shows it to anybody.

    ``foedus.consensus.verify_commit_proof(data, bytes.fromhex(council))`` or `foedus council verify FILE` checks it,
    with no node and no network. ``council``: the id, which whoever checks should know from elsewhere. ``outcome`` and
    ``value`` (before it) are this node's word; the proof shows the order, from which everybody works them out.
    """

    council: str
    sequence: int
    position: int
    outcome: str
    value: bytes | None
    data: bytes


async def commit(client: Client, update: CouncilUpdate) -> CommitProof:
    """Propose an update, wait for the decision, and take its proof."""
    council = (await client.councils.show(update.council)).id
    made = await client.councils.put(council, update.key, update.value, if_value=update.if_value, as_=update.as_)
    proof = await client.councils.proof(council, made.sequence, position=made.position)
    return CommitProof(
        council=council,
        sequence=made.sequence,
        position=made.position,
        outcome=made.outcome,
        value=None if made.value is None else from_base64url(made.value, "a value"),
        data=from_base64url(proof.proof, "the proof"),
    )
