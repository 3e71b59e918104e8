"""Frames of the members of a room or a council, about what no log keeps."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from foedus.base.limits import COUNCIL_MESSAGE_MAX, PRESENCE_STATEMENT_MAX
from foedus.log.event import Id, Signature


class Presences(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="presences"):
    """Who is in a document at a node, as that node signed it; members pass it on as the room's host does."""

    statement: Annotated[bytes, Meta(min_length=1, max_length=PRESENCE_STATEMENT_MAX)]
    sig: Signature


class CouncilSays(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="council"):
    """A message between two members of a council; what it says is opaque here."""

    council: Id
    message: Annotated[bytes, Meta(min_length=1, max_length=COUNCIL_MESSAGE_MAX)]
