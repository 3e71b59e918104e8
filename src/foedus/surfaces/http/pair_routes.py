"""Who calls, tokens of participants, and the pairing of their devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta

from foedus.base.limits import NAME_MAX
from foedus.surfaces.http.bodies import ActInput, Input, Name, SmallBytes
from foedus.surfaces.http.callers import Rule
from foedus.surfaces.http.exposure import address_of
from foedus.surfaces.http.limits import TARGET_MAX
from foedus.surfaces.http.operations import Call, Operation, Text
from foedus.values.access import CallerView, PairCodeView, PairingView, PairStep, TokenView

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from foedus.node.api import NodeService

_ROOT = "/api"
_KEY: dict[str, Any] = {"pattern": "^[0-9a-f]{64}$"}
KeyHex = Annotated[str, Meta(min_length=64, max_length=64, extra_json_schema=_KEY)]


class PairCodeInput(Input, frozen=True):
    """Whom a code is for: a further device of a participant (name or DID), or a new one of a kind.

    ``architect``: a new human who may do what the operator may.
    """

    participant: Annotated[str, Meta(max_length=TARGET_MAX)] = ""
    kind: Literal["human", "agent"] = "human"
    architect: bool = False


class ClaimInput(Input, frozen=True, tag_field="step", tag="claim"):
    """The code, the new device's public key, and its name (a new participant gets the same)."""

    code: Annotated[str, Meta(max_length=32)]
    device: KeyHex
    name: Name

    def __repr__(self) -> str:
        """Never show the code."""
        return f"ClaimInput({self.device})"


class ProveInput(Input, frozen=True, tag_field="step", tag="prove"):
    """The signature of the challenge; of {did, device, node} for a further device; the enrolment of a new one."""

    pairing: Annotated[str, Meta(max_length=64)]
    signature: SmallBytes
    possession: SmallBytes = ""
    enrolment: ActInput | None = None


class TokenInput(Input, frozen=True):
    """Which device's token; it may be left out where there is one."""

    device: Annotated[str, Meta(max_length=64)] = ""


def _generate(node: NodeService, call: Call) -> PairCodeView:
    asked: PairCodeInput = call.body or PairCodeInput()
    return node.pair_generate(asked.participant, asked.kind, architect=asked.architect)


def _pair(node: NodeService, call: Call) -> PairStep | Awaitable[PairStep]:
    asked: ClaimInput | ProveInput = call.body
    if isinstance(asked, ClaimInput):
        return node.pair_claim(asked.code, asked.device, asked.name, address_of(call.scope))
    enrolment = asked.enrolment.value() if asked.enrolment else None
    return node.pair_prove(asked.pairing, asked.signature, asked.possession, enrolment)


ACCESS = [
    Operation(
        method="GET",
        path="/caller",
        about="Whom the bearer token stands for",
        answer=CallerView,
        rule=Rule.PARTICIPANT,
        run=lambda node, _: node.caller(),
    ),
    Operation(
        method="GET",
        path="/pairings",
        about="Further devices that wait for an enrolled one to confirm them",
        answer=list[PairingView],
        rule=Rule.PARTICIPANT,
        run=lambda node, _: node.pairings(),
    ),
    Operation(
        method="DELETE",
        path="/pairings/{pairing}",
        about="Turn a waiting device away",
        answer=None,
        status=204,
        rule=Rule.SELF,
        run=lambda node, call: node.pair_withdraw(call.path["pairing"]),
    ),
    Operation(
        method="POST",
        path="/participants/{did}/token",
        about="Give a device, or a custodial agent, a new token; the former one is void. It is told only here",
        answer=TokenView,
        status=201,
        body=TokenInput,
        body_optional=True,
        rule=Rule.SELF,
        run=lambda node, call: node.token_issue(call.path["did"], call.body.device if call.body else ""),
    ),
    Operation(
        method="DELETE",
        path="/participants/{did}/token",
        about="End a token, and the streams that it opened",
        answer=None,
        status=204,
        query=(Text(name="device", about="key of the device, hex", max_length=NAME_MAX),),
        rule=Rule.SELF,
        run=lambda node, call: node.token_revoke(call.path["did"], call.query.get("device", "")),
    ),
]

PAIRING = [
    Operation(
        method="POST",
        path="/pair/generate",
        root=_ROOT,
        about="Show a code for a new device: it serves once, for ten minutes",
        answer=PairCodeView,
        status=201,
        body=PairCodeInput,
        body_optional=True,
        rule=Rule.SELF,
        run=_generate,
    ),
    Operation(
        method="POST",
        path="/pair",
        root=_ROOT,
        about="Pair a new device: claim with the code, then prove the key. Rate limited; without TLS only on loopback",
        answer=PairStep,
        body=ClaimInput | ProveInput,
        rule=Rule.ANYONE,
        run=_pair,
    ),
]
