"""Credentials: issue, hold, present, verify, revoke, and whom this node believes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foedus.surfaces.http.credential_bodies import (
    BeliefInput,
    HoldInput,
    IssueInput,
    PlaceInput,
    PresentInput,
    RecordInput,
    StatusListInput,
    VerifyInput,
)
from foedus.surfaces.http.operations import Call, Operation
from foedus.values.credentials import BeliefView, ChallengeView, CredentialView, DocumentView, PlaceView, VerifiedView

if TYPE_CHECKING:
    from collections.abc import Callable

    from foedus.node.api import NodeService

_CREATED, _NO_CONTENT = 201, 204


def _get(path: str, about: str, answer: Any, run: Callable[[NodeService, Call], Any]) -> Operation:
    return Operation(method="GET", path=path, about=about, answer=answer, run=run)


ISSUERS = [
    _get("/credentials/issuers", "Issuers believed here", list[BeliefView], lambda node, _: node.credential_issuers()),
    Operation(
        method="POST",
        path="/credentials/issuers",
        about="Believe an issuer in claims of a type",
        answer=BeliefView,
        status=_CREATED,
        body=BeliefInput,
        run=lambda node, call: node.credential_trust(call.body.issuer, call.body.type),
    ),
    Operation(
        method="DELETE",
        path="/credentials/issuers/{issuer}/{type}",
        about="Believe an issuer no longer in claims of a type",
        answer=None,
        status=_NO_CONTENT,
        run=lambda node, call: node.credential_untrust(call.path["issuer"], call.path["type"]),
    ),
]

ISSUING = [
    Operation(
        method="POST",
        path="/credentials/issue",
        about="Issue a credential as this node",
        answer=CredentialView,
        status=_CREATED,
        body=IssueInput,
        run=lambda node, call: node.credential_issue(call.body.value()),
    ),
    Operation(
        method="POST",
        path="/credentials/place",
        about="A free place in the status list of an issuer whose device signs",
        answer=PlaceView,
        body=PlaceInput,
        run=lambda node, call: node.credential_place(call.body.issuer),
    ),
    Operation(
        method="POST",
        path="/credentials/issued",
        about="Keep a credential that a participant's device issued",
        answer=CredentialView,
        status=_CREATED,
        body=RecordInput,
        run=lambda node, call: node.credential_record(call.body.document, call.body.status_list),
    ),
    _get(
        "/credentials/{credential}/status",
        "The status list and the place of a credential issued here",
        PlaceView,
        lambda node, call: node.credential_status_list(call.path["credential"]),
    ),
    Operation(
        method="POST",
        path="/credentials/status",
        about="Keep a status list that its issuer's device signed anew",
        answer=None,
        status=_NO_CONTENT,
        body=StatusListInput,
        run=lambda node, call: node.credential_status_replace(call.body.status_list),
    ),
    Operation(
        method="POST",
        path="/credentials/{credential}/revoke",
        about="Revoke a credential that this node issued",
        answer=CredentialView,
        run=lambda node, call: node.credential_revoke(call.path["credential"]),
    ),
]

SHOWING = [
    _get(
        "/credentials",
        "Credentials issued and held here",
        list[CredentialView],
        lambda node, _: node.credential_list(),
    ),
    Operation(
        method="POST",
        path="/credentials",
        about="Keep a credential for its subject",
        answer=CredentialView,
        status=_CREATED,
        body=HoldInput,
        run=lambda node, call: node.credential_hold(call.body.document),
    ),
    _get(
        "/credentials/{credential}",
        "One credential",
        CredentialView,
        lambda node, call: node.credential(call.path["credential"]),
    ),
    Operation(
        method="DELETE",
        path="/credentials/{credential}",
        about="Hold a credential no longer",
        answer=None,
        status=_NO_CONTENT,
        run=lambda node, call: node.credential_forget(call.path["credential"]),
    ),
    Operation(
        method="POST",
        path="/credentials/challenge",
        about="A question for one presentation, to be answered once within ten minutes",
        answer=ChallengeView,
        status=_CREATED,
        run=lambda node, _: node.credential_challenge(),
    ),
    Operation(
        method="POST",
        path="/credentials/present",
        about="Show held credentials, signed by a custodial agent's key or by the node's",
        answer=DocumentView,
        body=PresentInput,
        run=lambda node, call: node.credential_present(call.body.value()),
    ),
    Operation(
        method="POST",
        path="/credentials/verify",
        about="Judge a presentation or a bare credential; a refusal is an error whose code says why",
        answer=VerifiedView,
        body=VerifyInput,
        run=lambda node, call: node.credential_verify(call.body.value()),
    ),
]

CREDENTIALS = [*ISSUERS, *ISSUING, *SHOWING]
