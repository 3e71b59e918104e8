"""The place of sketches: a stream of their own, written by nodes about themselves."""

import pytest

from foedus.base.cbor import Malformed
from foedus.log import streams
from foedus.log.bodies import fits_place
from foedus.log.sketches import SKETCH


def test_nodes_alone_write_sketches_and_only_in_their_streams():
    assert fits_place(SKETCH, "sketch", by_device=False)
    assert not fits_place(SKETCH, "sketch", by_device=True)
    assert not any(fits_place(SKETCH, kind, by_device=False) for kind in ("node", "room", "knowledge", "pair"))
    assert not fits_place("knowledge.publish", "sketch", by_device=False)
    assert not fits_place("later.kind", "sketch", by_device=True)
    assert fits_place("event.erase", "sketch", by_device=False)


def test_a_stream_of_sketches_is_of_a_domain():
    assert streams.parse(streams.sketch("lab.results")) == ("sketch", "lab.results")
    with pytest.raises(Malformed):
        streams.sketch("Not a domain")
