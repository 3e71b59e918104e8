"""A question as it is sent: by the node, for a custodial agent, or signed on this device."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from foedus.base.base64url import from_base64url, to_base64url
from foedus.base.clock import Instant
from foedus.base.errors import UsageError
from foedus.base.ids import parse_id
from foedus.base.limits import AUTH_MAX, NONCE_BYTES, SECOND
from foedus.query.question import HOPS, Question, Scope, encode_question, signing_bytes
from foedus.surfaces.cli.crossing import is_for_a_person, waits_for
from foedus.surfaces.cli.options import PassphraseFile
from foedus.values.consent import ApprovalView, GrantView
from foedus.values.node import ParticipantView, SigningContext
from foedus.values.queries import AnswersView, VectorView

if TYPE_CHECKING:
    from foedus.surfaces.cli.client import Client
    from foedus.surfaces.cli.output import Output

_AFTER_S = 10.0
"""Seconds beyond the deadline that the node has to answer the request."""


class Reach(NamedTuple):
    """How far, how many hops (None: as the node thinks fit), how many results of each node, and how long, seconds."""

    scope: Scope
    hops: int | None
    results: int
    wait_s: float


class Moment(NamedTuple):
    """What a question binds to: the node and its epoch (32 bytes), the time there, and 16 fresh random bytes."""

    node: bytes
    epoch: bytes
    now: Instant
    nonce: bytes


def put(
    node: Client,
    kind: str,
    about: Mapping[str, Any],
    reach: Reach,
    speaker: ParticipantView | None,
    file: PassphraseFile,
) -> AnswersView:
    """Ask, and return everything that came by the deadline."""
    body = plain = _plain(kind, about, reach, speaker)
    if speaker is not None and speaker.custody == "device":
        body = _signed(node, kind, about, reach, speaker, file)
    try:
        return node.post("/queries", AnswersView, body, timeout_s=reach.wait_s + _AFTER_S)
    except UsageError as error:
        if not is_for_a_person(error, speaker):
            raise
        view = node.post("/queries/approvals", ApprovalView, plain)
        raise waits_for(view, "question") from None


def _plain(kind: str, about: Mapping[str, Any], reach: Reach, speaker: ParticipantView | None) -> dict[str, Any]:
    shown = {name: value.hex() if isinstance(value, bytes) else value for name, value in about.items()}
    body = {"kind": kind, **shown, "scope": reach.scope, "results": reach.results}
    body |= {"wait_ms": round(reach.wait_s * 1000), "hops": reach.hops}
    return body | ({"as": speaker.did} if speaker is not None else {})


def _signed(  # what is asked, how far, and by whom
    node: Client,
    kind: str,
    about: Mapping[str, Any],
    reach: Reach,
    speaker: ParticipantView,
    file: PassphraseFile,
) -> dict[str, str]:
    from foedus.surfaces.cli.devices import device_folder, enrolled, signer_of

    folder = device_folder()
    entry, device = enrolled(folder, speaker)
    key = signer_of(node, folder, entry, file)
    auth = (parse_id(device.enrolment), *(_grants(node) if speaker.kind == "agent" else ()))
    context = node.get("/signing", SigningContext)
    if kind == "semantic":
        about = _meaning(node, str(about["text"]))
    moment = Moment(parse_id(context.node), parse_id(context.epoch), context.now, os.urandom(NONCE_BYTES))
    data = question_bytes(kind, about, reach, moment, (speaker.did, key.public, auth))
    return {"question": to_base64url(data), "asig": to_base64url(key.sign(signing_bytes(data)))}


def _meaning(node: Client, text: str) -> dict[str, Any]:
    made = node.post("/queries/vector", VectorView, {"text": text})
    vector = from_base64url(made.vector, "vector")
    return {"text": text, "model": made.model, "dimension": made.dimension, "vector": vector}


def _grants(node: Client) -> list[bytes]:
    """Return the grants in force by which one may ask, and on which others stand: as many as a question cites."""
    from foedus.identity.ucan import covers
    from foedus.trust.border import ASK

    found = [view for view in node.get("/grants", list[GrantView]) if view.state == "in_force"]
    return [parse_id(view.id) for view in found if covers(view.command, ASK)][: AUTH_MAX - 1]


def question_bytes(
    kind: str,
    about: Mapping[str, Any],
    reach: Reach,
    moment: Moment,
    asker: tuple[str, bytes, tuple[bytes, ...]],
) -> bytes:
    """Return what a device signs; ``asker``: DID, device key (32 bytes), and the events that it stands on. Pure."""
    did, device, auth = asker
    try:
        return encode_question(
            Question(
                v=1,
                node=moment.node,
                epoch=moment.epoch,
                asker=did,
                device=device,
                kind=kind,
                about=dict(about),
                scope=reach.scope,
                hops=HOPS[reach.scope] if reach.hops is None else reach.hops,
                results=reach.results,
                at=moment.now,
                deadline=moment.now + round(reach.wait_s * SECOND),
                auth=auth,
                nonce=moment.nonce,
            )
        )
    except ValueError as error:
        raise UsageError(f"the question: {error}", code="malformed_query") from None


def asker(node: Client, name: str, out: Output) -> ParticipantView | None:
    """Return who asks: the participant named, or whose token it is; None: the node itself."""
    from foedus.surfaces.cli.speaking import choose_speaker

    wanted = name or node.speaker()
    if not wanted:
        out.words("asking as this node; --as NAME asks as one of its participants")
        return None
    everyone = node.get("/participants", list[ParticipantView])
    return choose_speaker([who for who in everyone if who.is_local], wanted)
