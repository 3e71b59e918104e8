"""Frames of two nodes that become peers, are, or cease to be."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

from foedus.base.limits import NOTE_MAX, RECORDS_MAX
from foedus.log.event import Signature
from foedus.sync.frames.fields import Code, Document, Name, PlainRecord, Tier

ENDPOINTS_MAX = 8
"""Addresses of one node in a request: more than any has; a person reads them."""
ENDPOINT_MAX = 512
"""Characters of a URL: a DNS name of 253, a port and a path fit twice."""
Endpoint: TypeAlias = Annotated[str, Meta(max_length=ENDPOINT_MAX)]


class Introduction(Struct, frozen=True, forbid_unknown_fields=True):
    """Our name, and the tier that we give to the other."""

    name: Name
    tier: Tier


class Ready(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="ready"):
    """The other is connected here."""

    introduction: Introduction


class Pending(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="pending"):
    """The other is a stranger, or its request waits."""


class Refused(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="refused"):
    """No link with the other; ``superseded`` brings its newer signed records."""

    code: Code
    records: Annotated[tuple[PlainRecord, ...], Meta(max_length=RECORDS_MAX)]


class Application(Struct, frozen=True, forbid_unknown_fields=True):
    """What a request holds: ``agreement`` is the draft document, ``signature`` the requester's of it."""

    name: Name
    note: Annotated[str, Meta(max_length=NOTE_MAX)]
    endpoints: Annotated[tuple[Endpoint, ...], Meta(max_length=ENDPOINTS_MAX)]
    agreement: Document
    signature: Signature


class Request(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="request"):
    """Asks for a connection."""

    application: Application


class Acceptance(Struct, frozen=True, forbid_unknown_fields=True):
    """What an acceptance holds: the final agreement, signed by the accepter."""

    name: Name
    tier: Tier
    agreement: Document
    signature: Signature


class Accepted(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="accepted"):
    """A human accepted the request."""

    acceptance: Acceptance


class Confirmation(Struct, frozen=True, forbid_unknown_fields=True):
    """The requester's signature of the final agreement."""

    signature: Signature


class Confirmed(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="confirmed"):
    """The requester signed, too."""

    confirmation: Confirmation


class Declined(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="declined"):
    """A human said no."""


class TierChanged(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="tier"):
    """The tier given to the other changed."""

    tier: Tier


class Ended(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="ended"):
    """Disconnected here: nothing more flows, and the link closes. ``reason`` is for people."""

    reason: Annotated[str, Meta(max_length=NOTE_MAX)]
