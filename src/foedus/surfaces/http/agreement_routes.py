"""Agreements with peers: what is in force, what is proposed, and the acts that change it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from foedus.surfaces.http.bodies import Input, ReasonInput, SmallBytes, Target
from foedus.surfaces.http.limits import TARGET_MAX
from foedus.surfaces.http.operations import Call, Operation, Text
from foedus.trust.agreements.document import AGREEMENT_BYTES_MAX
from foedus.trust.agreements.terms import Terms
from foedus.values.agreements import AgreementView, ChangeView, DraftView, HumanWord, VersionView

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from foedus.node.api import NodeService

_ALPHABET: dict[str, Any] = {"pattern": "^[A-Za-z0-9_-]*$"}
_DOCUMENT_CHARACTERS = -(-AGREEMENT_BYTES_MAX * 4 // 3)


class WordInput(Input, frozen=True):
    """A human's approval: DID, device key in hex, and the device's signature of the document in base64url."""

    did: Target
    device: Target
    signature: SmallBytes

    def value(self) -> HumanWord:
        """Return what the node takes."""
        return HumanWord(did=self.did, device=self.device, signature=self.signature)


class ProposeInput(Input, frozen=True):
    """A drafted document; ``answers``: the peer's proposal in whose place it stands."""

    document: Annotated[str, Meta(max_length=_DOCUMENT_CHARACTERS, extra_json_schema=_ALPHABET)]
    answers: Annotated[str, Meta(max_length=TARGET_MAX)] = ""
    human: WordInput | None = None


class SignInput(Input, frozen=True):
    """The id of the peer's proposal."""

    agreement: Target
    human: WordInput | None = None


class NamedInput(Input, frozen=True):
    """The id of a proposal; '' the only one that waits."""

    agreement: Annotated[str, Meta(max_length=TARGET_MAX)] = ""


def _propose(node: NodeService, call: Call) -> Awaitable[AgreementView]:
    asked: ProposeInput = call.body
    human = asked.human.value() if asked.human is not None else None
    return node.agreements.propose(call.path["peer"], asked.document, answers=asked.answers, human=human)


def _sign(node: NodeService, call: Call) -> Awaitable[AgreementView]:
    asked: SignInput = call.body
    human = asked.human.value() if asked.human is not None else None
    return node.agreements.sign(call.path["peer"], asked.agreement, human)


def _diff(node: NodeService, call: Call) -> list[ChangeView]:
    return node.agreements.diff(call.path["peer"], call.query.get("older", ""), call.query.get("newer", ""))


def _act(action: str, about: str, run: Callable[[NodeService, Call], Any], body: Any) -> Operation:
    path = f"/agreements/{{peer}}/{action}"
    return Operation(method="POST", path=path, about=about, answer=AgreementView, run=run, body=body)


AGREEMENTS = [
    Operation(
        method="GET",
        path="/agreements",
        about="What is agreed with every connected peer",
        answer=list[AgreementView],
        run=lambda node, _: node.agreements.all(),
    ),
    Operation(
        method="GET",
        path="/agreements/{peer}",
        about="What is agreed with a peer, and what waits",
        answer=AgreementView,
        run=lambda node, call: node.agreements.show(call.path["peer"]),
    ),
    Operation(
        method="GET",
        path="/agreements/{peer}/history",
        about="Every version and proposal of the connection",
        answer=list[VersionView],
        run=lambda node, call: node.agreements.history(call.path["peer"]),
    ),
    Operation(
        method="GET",
        path="/agreements/{peer}/diff",
        about="What changes from one version or proposal to another, clause by clause",
        answer=list[ChangeView],
        query=(
            Text(name="older", about="id or number of a version; default: in force", max_length=TARGET_MAX),
            Text(name="newer", about="id or number of a version; default: what waits", max_length=TARGET_MAX),
        ),
        run=_diff,
    ),
    Operation(
        method="POST",
        path="/agreements/{peer}/draft",
        about="Make the document of a next version, for a human to approve",
        answer=DraftView,
        body=Terms,
        run=lambda node, call: node.agreements.draft(call.path["peer"], call.body),
    ),
    _act("propose", "Offer a drafted document to the peer", _propose, ProposeInput),
    _act("sign", "Sign the peer's proposal", _sign, SignInput),
    _act(
        "decline",
        "Say no to the peer's proposal",
        lambda node, call: node.agreements.decline(call.path["peer"], call.body.agreement),
        NamedInput,
    ),
    _act(
        "withdraw",
        "Take back what is not yet in force",
        lambda node, call: node.agreements.withdraw(call.path["peer"], call.body.agreement),
        NamedInput,
    ),
    _act(
        "terminate",
        "End the agreement, and the connection with it",
        lambda node, call: node.agreements.terminate(call.path["peer"], call.body.reason),
        ReasonInput,
    ),
]
