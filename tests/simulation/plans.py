"""How large a simulation is, and what goes wrong in it."""

from typing import NamedTuple

SOAK_FROM = 1_000
"""Seeds from this one on run in the soak alone."""


class Plan(NamedTuple):
    """How large a simulation is and what goes wrong in it. Rates are per second of the busy time."""

    nodes: int
    rooms: int
    messages: int
    busy_s: float = 40.0
    crashes: float = 0.0
    """The chance that a write is a crash."""
    refusals: float = 0.0
    breaks: float = 0.0
    partitions: int = 0
    removals: int = 0
    rotations: int = 0
    restarts: int = 0
    restores: int = 0
    forks: int = 0
    patience_s: float = 1_500.0
    """From the last fault until all agree: pauses between dials grow to 300 s, and some must pass twice."""
    skew_s: float = 0.0
    """How far wall clocks are off, either way."""
    introductions: int = 0
    """Connections that come about by a request and an acceptance, during the busy time."""
    negotiations: int = 0
    """Of some steps each: proposals, counters, signatures, refusals."""
    terminations: int = 0
    """Agreements that one side ends; the two connect again once the faults are over."""
    roles: int = 0
    erasures: int = 0
    deltas: int = 0
    """Operations on CRDTs."""
    edits: int = 0
    """Deeds of clients of documents."""
    calls: int = 0
    questions: int = 0
    pauses: int = 0
    """Of one peer by another, for some seconds."""
    tellings: int = 0
    """Acts about packets of knowledge and about tasks."""


def state_plan_of(seed, draw):
    """Choose a plan of what follows from the log; mostly 4 to 12 nodes, now and then 50.

    In the soak a fifth has 50, and a fifth a number between; as many in ``make test`` would take it some minutes.
    """
    is_soak = seed >= SOAK_FROM
    large = seed % 25 == 24 or (is_soak and seed % 5 == 4)
    few, many = (13, 49) if is_soak and seed % 5 == 2 else (4, 12)
    return Plan(
        nodes=50 if large else draw.randint(few, many),
        rooms=5 if large else draw.randint(1, 3),
        messages=draw.randint(0, 20),
        busy_s=30.0,
        crashes=draw.choice([0.0, 0.005, 0.02, 0.05]),
        refusals=draw.choice([0.0, 0.0, 0.01]),
        breaks=draw.choice([0.05, 0.2, 1.0]),
        partitions=draw.randint(0, 3),
        removals=draw.choice([0, 0, 0, 2]),
        rotations=draw.choice([0, 0, 1]),
        restarts=draw.randint(0, 2),
        restores=draw.choice([0, 0, 0, 1]),
        forks=draw.choice([0, 0, 0, 0, 1]),
        skew_s=draw.choice([0.0, 0.0, 2.0]),
        negotiations=draw.choice([0, 0, 2]),
        roles=draw.choice([0, 0, 2]),
        erasures=draw.choice([0, 0, 5]),
        deltas=draw.randint(5, 20),
        edits=draw.randint(20, 60),
        calls=draw.choice([0, 10, 30]),
        questions=draw.choice([0, 10, 30]),
        pauses=draw.choice([0, 0, 3]),
        terminations=draw.choice([0, 0, 0, 1]),
        tellings=8 if large else draw.choice([0, 0, 0, 0, 12, 24]),
    )


def plan_of(seed, draw):
    """Choose a plan: mostly 8 to 15 nodes, now and then 50; something always goes wrong."""
    large = seed % 25 == 24
    nodes = 50 if large else draw.randint(5, 15)
    return Plan(
        nodes=nodes,
        rooms=8 if large else draw.randint(2, 4),
        messages=draw.randint(40, 120),
        crashes=draw.choice([0.0, 0.005, 0.02, 0.05]),
        refusals=draw.choice([0.0, 0.0, 0.01]),
        breaks=draw.choice([0.05, 0.2, 1.0]),
        partitions=draw.randint(0, 3),
        removals=draw.randint(0, 2),
        rotations=draw.randint(0, 2),
        restarts=draw.randint(0, 2),
        restores=draw.choice([0, 0, 1]),
        forks=draw.choice([0, 0, 0, 1]),
        skew_s=draw.choice([0.0, 0.0, 2.0, 80.0]),
        introductions=0 if large else draw.choice([0, 0, 2]),
        negotiations=draw.choice([0, 2, 5]),
        terminations=draw.choice([0, 0, 0, 1]),
        roles=draw.randint(0, 3),
        erasures=draw.randint(0, 5),
        deltas=draw.randint(10, 40),
    )


PLANS = {"all": plan_of, "state": state_plan_of}
