"""What requests about credentials bring."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from foedus.identity.credentials.document import (
    CREDENTIAL_BYTES_MAX,
    PRESENTATION_BYTES_MAX,
    STATUS_LIST_BYTES_MAX,
)
from foedus.identity.credentials.verifying import CREDENTIALS_MAX
from foedus.node.credential_forms import IssueRequest, PresentRequest, VerifyRequest
from foedus.surfaces.http.bodies import Input, Target
from foedus.surfaces.http.limits import TARGET_MAX

_TYPE_MAX = 64
_LAST_SECOND = 253_402_300_799_000_000
"""The end of the year 9999, in microseconds: no calendar of XML Schema goes further."""

CredentialText = Annotated[str, Meta(max_length=CREDENTIAL_BYTES_MAX)]
StatusListText = Annotated[str, Meta(max_length=STATUS_LIST_BYTES_MAX)]
Type = Annotated[str, Meta(min_length=1, max_length=_TYPE_MAX)]
Answer = Annotated[str, Meta(max_length=TARGET_MAX)]


class IssueInput(Input, frozen=True):
    """What the node itself shall claim: ``claims`` is the JSON of an object, ``valid_until`` µs since 1970 UTC."""

    type: Type
    subject: Target
    claims: CredentialText = "{}"
    valid_until: Annotated[int, Meta(ge=0, le=_LAST_SECOND)] | None = None

    def value(self) -> IssueRequest:
        """Return what the node takes."""
        return IssueRequest(type=self.type, subject=self.subject, claims=self.claims, valid_until=self.valid_until)


class RecordInput(Input, frozen=True):
    """A credential that a device signed, and the issuer's first status list where it has none."""

    document: CredentialText
    status_list: StatusListText = ""


class PlaceInput(Input, frozen=True):
    """The issuer (did:key) that wants a place."""

    issuer: Target


class HoldInput(Input, frozen=True):
    """A credential to keep."""

    document: CredentialText


class StatusListInput(Input, frozen=True):
    """A status list, signed anew."""

    status_list: StatusListText


class PresentInput(Input, frozen=True):
    """Credentials to show, and the question that they answer. ``as``: a custodial agent; without it the node."""

    credentials: Annotated[list[Target], Meta(min_length=1, max_length=CREDENTIALS_MAX)]
    challenge: Annotated[str, Meta(min_length=1, max_length=TARGET_MAX)]
    domain: Answer
    as_: Answer = field(default="", name="as")

    def value(self) -> PresentRequest:
        """Return what the node takes."""
        return PresentRequest(credentials=self.credentials, challenge=self.challenge, domain=self.domain, as_=self.as_)


class VerifyInput(Input, frozen=True):
    """What was shown. Without ``challenge`` it must answer one of this node's; ``domain`` is else this node's id."""

    document: Annotated[str, Meta(max_length=PRESENTATION_BYTES_MAX)]
    challenge: Answer = ""
    domain: Answer = ""
    status_lists: Annotated[list[StatusListText], Meta(max_length=CREDENTIALS_MAX)] = field(default_factory=list)

    def value(self) -> VerifyRequest:
        """Return what the node takes."""
        return VerifyRequest(
            document=self.document, challenge=self.challenge, domain=self.domain, status_lists=self.status_lists
        )


class BeliefInput(Input, frozen=True):
    """An issuer (did:key), and the type of claim in which it is believed."""

    issuer: Target
    type: Type
