"""docs/routing.md names the bounds and thresholds of the code, and why a node floods."""

from typing import get_args

import pytest

from foedus.base.limits import HOUR, MINUTE
from foedus.log.sketches import CENTROIDS_MAX
from foedus.query.limits import HOPS_MAX
from foedus.query.question import HOPS
from foedus.query.routing import limits
from foedus.query.routing.choice import Why
from foedus.query.routing.sketch import centroids_for
from tests.docs.pages import first_column, names, read, section

PAGE = read("docs/routing.md")


def test_every_reason_to_flood_has_its_row():
    cells = first_column(section(PAGE, "Whom a question goes to"), "`why`")
    assert {name for cell in cells for name in names(cell)} == set(get_args(Why)) - {"routed"}


@pytest.mark.parametrize(
    "words",
    [
        f"| numbers of a vector | {limits.DIMENSION_MAX:,} |",
        f"| {CENTROIDS_MAX}, in {limits.SKETCH_BYTES_MAX:,} bytes: {centroids_for(1_536)} of 1,536 numbers",
        f"numbers, {centroids_for(4_096)} of 4,096 |",
        f"| sketches that are held of one node | {limits.DOMAINS_MAX}, in {limits.NODE_BYTES_MAX:,} bytes |",
        f"in one reach | {limits.NODES_MAX:,} |",
        f"| models of which sketches are held | {limits.SPACES_MAX} |",
        f"| {limits.SAMPLE_MAX}, those",
        f"| under {limits.DRIFT_SMALL} | not |",
        f"| {limits.DRIFT_LARGE} and more, a new field",
        f"first {limits.TARGETS_MIN}, and up to {limits.TARGETS_MAX} whose cosine is within {limits.WINDOW} of",
        f"under {limits.SIMILARITY_MIN} |",
        f"less than {limits.MARGIN_MIN} above the middle node, and more than {limits.TARGETS_MIN} are known",
        f"fewer than {HOPS_MAX}; and at 0",
        f"{HOPS['global']} links, as questions have by default",
    ],
)
def test_the_page_says_what_the_code_does(words):
    assert words in PAGE


def test_the_pauses_are_an_hour_and_ten_minutes():
    assert (limits.PAUSE_SMALL, limits.PAUSE_LARGE) == (HOUR, 10 * MINUTE)
