"""What a commit proof shows, for people to read."""

from __future__ import annotations

from foedus.base.base64url import to_base64url
from foedus.base.cbor import Malformed, NotCanonical, decode_as
from foedus.consensus.machine import Command, Get, Put
from foedus.consensus.proof import verify_commit_proof
from foedus.consensus.updates import Update
from foedus.values.councils import CouncilProvedView


def command_of(update: Update) -> Command | None:
    """Return what an update asks of the map; None where this node does not know the command."""
    try:
        command: Command = decode_as(update.command, Command)  # type: ignore[arg-type]  # takes a union
    except (Malformed, NotCanonical):
        return None
    return command


def shown(value: bytes | None) -> str | None:
    """Return a value as the API shows it: base64url."""
    return None if value is None else to_base64url(value)


def proved_view(data: bytes, council: bytes | None, *, seals_only: bool = False) -> CouncilProvedView:
    """Check a proof, of a certain council if one is given; raise ProofFailed. Long proofs take up to a second.

    ``seals_only``: believe no Ed25519 signature.
    """
    proved = verify_commit_proof(data, council, seals_only=seals_only)
    command = command_of(proved.update)
    return CouncilProvedView(
        council=proved.council.hex(),
        name=proved.name,
        epoch=proved.epoch,
        view=proved.view,
        sequence=proved.sequence,
        update=proved.update.id.hex(),
        author=proved.update.author,
        key=command.key if command is not None else None,
        value=shown(command.value) if isinstance(command, Put) else None,
        is_read=isinstance(command, Get),
        signers=[node.hex() for node in proved.signers],
        members=[node.hex() for node in proved.members],
        sealed_by=[node.hex() for node in proved.sealed_by],
    )
