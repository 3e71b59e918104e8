"""What merging CRDTs costs: two maps of a million entries, beside a plain loop that compares the same."""

from __future__ import annotations

import gc
import random
import time
from statistics import median

from bench.options import Figures, Options
from foedus.base.cbor import encode
from foedus.state.crdt.map import Map
from foedus.state.crdt.register import Written

_ENTRIES = 1_000_000
_ROUNDS = 5
_NODES = [bytes([number]) * 32 for number in range(4)]


def _entries(draw: random.Random, count: int) -> dict[str, Written]:
    """Three quarters of the keys are in both maps, in another order; clocks are near each other, some equal."""
    keys = draw.sample(range(count * 4 // 3), count)
    return {
        f"key {key}": Written(
            1_767_225_600_000_000 + draw.randrange(1_000), 0, draw.choice(_NODES), encode(key % 1_000)
        )
        for key in keys
    }


def _plain(one: dict[str, Written], other: dict[str, Written]) -> dict[str, Written]:
    """Merge as anybody would write it: the twin."""
    merged = dict(one)
    for key, theirs in other.items():
        mine = merged.get(key)
        if mine is None or theirs > mine:
            merged[key] = theirs
    return merged


def crdt(options: Options) -> Figures:
    draw = random.Random(7)
    count = options.size(_ENTRIES, 5_000)
    one, other = Map(_entries(draw, count)), Map(_entries(draw, count))
    merging, looping = [], []
    gc.collect()
    gc.freeze()
    for number in range(options.size(_ROUNDS, 3)):
        for turn in (0, 1) if number % 2 else (1, 0):  # who comes second finds the machine warmer
            begun = time.process_time()
            found = one.merge(other).entries if turn else _plain(one.entries, other.entries)
            (merging if turn else looping).append(time.process_time() - begun)
            assert len(found) > count
            del found
    assert one.merge(other).entries == _plain(one.entries, other.entries)
    return {"crdt_merge_s": median(merging), "crdt_merge_ratio": median(merging) / median(looping)}
