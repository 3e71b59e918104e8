"""The sketch that stands in a chain: the newest one, where its body is here and is one."""

from __future__ import annotations

from typing import NamedTuple

from foedus.base.cbor import Malformed, NotCanonical
from foedus.base.clock import Hlc
from foedus.log import streams
from foedus.log.chains import Chain
from foedus.log.port import Verdict
from foedus.log.sketches import SKETCH
from foedus.node.store import Store
from foedus.query.routing.sketch import Sketch, parse_sketch

_LOOKED_MAX = 16
"""Events at the end of a chain among which its newest sketch is: an erasure and a checkpoint may stand behind it."""


class Told(NamedTuple):
    """A sketch of a node's chain; ``sketch`` None: it is poisoned, or of another form."""

    event: bytes
    hlc: Hlc
    sketch: Sketch | None


def newest_sketch(store: Store, chain: Chain) -> Told | None:
    """Return the newest accepted sketch of a chain; None where there is none, or its body is not here."""
    rows = store.log.chain_backwards(chain.epoch, chain.stream, chain.seq + 1, _LOOKED_MAX)
    row = next((row for row in rows if row.kind == SKETCH and row.verdict is Verdict.ACCEPTED), None)
    if row is None or row.envelope.body is None:
        return None
    try:
        sketch = parse_sketch(streams.parse(chain.stream).subject, row.envelope.body)
    except (NotCanonical, Malformed):
        return Told(row.id, row.hlc, None)
    return Told(row.id, row.hlc, sketch)
