"""What surfaces may do about passkeys: for ``Service``, the operator's, and for one person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foedus.base.base64url import from_base64url, to_base64url
from foedus.base.errors import UsageError
from foedus.base.ids import parse_id
from foedus.identity.passkeys import SALT_BYTES
from foedus.log import streams
from foedus.node.codec import draft_of
from foedus.node.passkeys import NewPasskey, Passkey
from foedus.node.tokens import Holder
from foedus.values.access import PasskeysView, PasskeyView
from foedus.values.node import SignedAct

if TYPE_CHECKING:
    from foedus.node.composition import Node


class NotAPerson(UsageError):
    """Passkeys are people's."""

    code = "not_human"
    http_status = 403
    remedy = "sign in on the page as a person"


class PasskeyOperations:
    """Operations of the operator, who sees all and may remove any, and of nobody adds one in their name."""

    _node: Node

    def passkeys(self) -> PasskeysView:
        """Return every passkey."""
        return _views(self._node)

    async def passkey_add(self, name: str, salt: str, response: str, origin: str) -> PasskeyView:  # noqa: ARG002  # the port's
        """Refuse: a passkey is of a person."""
        raise NotAPerson("the operator has no passkeys")

    async def passkey_show(self, credential: str, statement: str, response: str) -> None:  # noqa: ARG002  # as above
        """Refuse: a passkey is of a person."""
        raise NotAPerson("the operator has no passkeys")

    async def passkey_remove(self, passkey: str) -> None:
        """Forget a lost one."""
        await self._node.passkeys.remove(parse_id(passkey))


class ParticipantPasskeys:
    """A person's own passkeys: a part of ``participant_service``."""

    _node: Node
    _holder: Holder

    def passkeys(self) -> PasskeysView:
        """Return its own."""
        return _views(self._node, self._holder.did)

    async def passkey_add(self, name: str, salt: str, response: str, origin: str) -> PasskeyView:
        """Take a new one of this person's."""
        salted = from_base64url(salt, "salt")
        if len(salted) != SALT_BYTES:
            raise UsageError(f"the salt has {SALT_BYTES} random bytes", code="bad_salt")
        new = NewPasskey(name, salted, response, origin)
        return _view(await self._node.passkeys.add(self._person(), new))

    async def passkey_show(self, credential: str, statement: str, response: str) -> None:
        """Confirm a statement."""
        said = from_base64url(credential, "credential"), from_base64url(statement, "statement")
        await self._node.passkeys.show(self._person(), *said, response)

    async def passkey_remove(self, passkey: str) -> None:
        """Forget one of its own, which another or the same has confirmed."""
        await self._node.passkeys.remove(parse_id(passkey), self._person())

    def _person(self) -> str:
        if self._holder.kind != "human":
            raise NotAPerson("an agent has no passkeys")
        return self._holder.did

    def _check_passkey(self, act: SignedAct) -> None:
        """Refuse a person's grant that needs a passkey and has none. Agents' delegations give no more than they got."""
        if self._holder.kind == "human":
            draft = draft_of(streams.participant(self._holder.did), act)
            if draft.act.kind == "grant.create":
                self._node.passkeys.check(self._holder.did, from_base64url(act.act, "act"))


def _views(node: Node, did: str = "") -> PasskeysView:
    return PasskeysView(required=node.passkeys.required, passkeys=[_view(held) for held in node.passkeys.all(did)])


def _view(held: Passkey) -> PasskeyView:
    return PasskeyView(
        passkey=held.key.hex(),
        credential=to_base64url(held.id),
        did=held.did,
        name=held.name,
        origin=held.origin,
        added=held.added,
        used=held.used,
    )
