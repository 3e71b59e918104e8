"""Passkeys: what a person's authenticator confirms beside their device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from foedus.surfaces.http.bodies import ActBytes, Input, Name, SmallBytes
from foedus.surfaces.http.callers import Rule
from foedus.surfaces.http.exposure import origin_of
from foedus.surfaces.http.operations import Call, Operation
from foedus.values.access import PasskeysView, PasskeyView

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from foedus.node.api import NodeService

_RESPONSE_MAX = 16_384
"""Characters of an authenticator's answer as JSON: attestation with a chain of certificates has 4,000."""
_CREDENTIAL_MAX = 1_364
"""Characters of a credential id: WebAuthn allows 1,023 bytes."""
Response = Annotated[str, Meta(min_length=1, max_length=_RESPONSE_MAX)]
CredentialId = Annotated[
    str, Meta(min_length=1, max_length=_CREDENTIAL_MAX, extra_json_schema={"pattern": "^[A-Za-z0-9_-]*$"})
]


class PasskeyInput(Input, frozen=True):
    """A new passkey: its name, 32 random bytes, and WebAuthn's RegistrationResponseJSON as text."""

    name: Name
    salt: SmallBytes
    response: Response


class ShownInput(Input, frozen=True):
    """A passkey's answer for a statement: the bytes of the act that it confirms, or of a change of passkeys."""

    credential: CredentialId
    statement: ActBytes
    response: Response

    def value(self) -> tuple[str, str, str]:
        """Return what the node takes."""
        return self.credential, self.statement, self.response


def _add(node: NodeService, call: Call) -> Awaitable[PasskeyView]:
    asked: PasskeyInput = call.body
    return node.passkey_add(asked.name, asked.salt, asked.response, origin_of(call.scope))


PASSKEYS = [
    Operation(
        method="GET",
        path="/passkeys",
        about="Passkeys of this node's people, and whether grants need one",
        answer=PasskeysView,
        rule=Rule.PARTICIPANT,
        run=lambda node, _: node.passkeys(),
    ),
    Operation(
        method="POST",
        path="/passkeys",
        about="Add a passkey; beside the first, one that is there confirms it before",
        answer=PasskeyView,
        status=201,
        body=PasskeyInput,
        rule=Rule.SELF,
        run=_add,
    ),
    Operation(
        method="POST",
        path="/passkeys/show",
        about="Confirm a statement with a passkey: what it is for may come once, in two minutes",
        answer=None,
        status=204,
        body=ShownInput,
        rule=Rule.SELF,
        run=lambda node, call: node.passkey_show(*call.body.value()),
    ),
    Operation(
        method="DELETE",
        path="/passkeys/{passkey}",
        about="Remove a passkey, which one of them confirmed before; the operator removes any",
        answer=None,
        status=204,
        rule=Rule.SELF,
        run=lambda node, call: node.passkey_remove(call.path["passkey"]),
    ),
]
