"""A packet and a task as surfaces show them, for their tests."""

from foedus.values.knowledge import DataView, PacketView, TaskView, WhoView
from tests.surfaces.cli.samples import BANK

PACKET = "3a" * 32
WHO = WhoView(
    author="did:key:z6MkAda",
    author_name="ada",
    author_known_as="",
    author_kind="human",
    node=BANK,
    node_name="bigbank",
    node_known_as="",
)
VIEW = PacketView(
    id=PACKET,
    domain="lab.results",
    state="current",
    who=WHO,
    at=1_700_000_000_000_000,
    type="note",
    title="Bees dance",
    content="# Bees\nThey do.",
    data=DataView(media_type="text/csv", data="YSxi"),
    confidence=900_000,
    tags=["bees"],
    dependencies=["4b" * 32],
    missing=["4b" * 32],
    revision=1,
    event=PACKET,
)
TASK = TaskView(
    id=PACKET,
    domain="lab.results",
    state="claimed",
    title="Count bees",
    content="all of them",
    tags=[],
    dependencies=[],
    lease=60,
    who=WHO,
    at=1_700_000_000_000_000,
    holder=WHO,
    until=1_700_000_000_000_000,
    done=500_000,
    note="half",
    result="",
    packets=[],
)
