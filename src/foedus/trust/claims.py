"""What another node says of itself: bounded, free of characters that mislead a reader, and never an identity."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from foedus.base.cbor import Malformed
from foedus.base.limits import NAME_MAX, NOTE_MAX
from foedus.identity.lookalikes import looks_alike
from foedus.trust.peer import Peer, State

if TYPE_CHECKING:
    from collections.abc import Iterable

ENDPOINTS_MAX = 8
"""Endpoints of a node: as in ``node.profile``; a person has one or two, a company a few."""
ENDPOINT_MAX = 512
"""Characters of an endpoint: as in ``node.profile``."""

_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_KNOWN = frozenset({State.REQUESTED, State.ANSWERED, State.ACCEPTING, State.CONNECTED, State.DISCONNECTED})


def check_claims(name: str, note: str = "", endpoints: tuple[str, ...] = ()) -> None:
    """Raise Malformed where a claim is too long or holds control characters (a terminal would obey them)."""
    if len(name) > NAME_MAX or len(note) > NOTE_MAX:
        raise Malformed(f"a name has at most {NAME_MAX} characters, a note {NOTE_MAX}")
    if len(endpoints) > ENDPOINTS_MAX or any(len(endpoint) > ENDPOINT_MAX for endpoint in endpoints):
        raise Malformed(f"at most {ENDPOINTS_MAX} endpoints of at most {ENDPOINT_MAX} characters each")
    if any(_misleads(character) for text in (name, note.replace("\n", ""), *endpoints) for character in text):
        raise Malformed("control characters have no place in a name, note or endpoint")


def name_clash(peer: Peer, others: Iterable[Peer]) -> tuple[bytes, ...]:
    """Return the ids of known peers, other than ``peer``, whose name a reader may take for its own."""
    return tuple(
        other.node
        for other in others
        if other.node != peer.node and _is_known(other) and looks_alike(peer.name, other.name)
    )


def _is_known(peer: Peer) -> bool:
    return peer.state in _KNOWN or peer.former_tier is not None


def _misleads(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cs"} or character in _BIDI_CONTROLS


def cleaned(reason: str) -> str:
    """Return the other's reason cut and freed of control characters: an ending is never refused for its words."""
    return "".join(character for character in reason[:NAME_MAX] if not _misleads(character))
