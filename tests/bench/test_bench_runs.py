"""The benchmarks run and say what they should; how fast is for `make bench`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FIGURES = {
    "ingest_checks_per_s",
    "raw_verify_per_s",
    "ingest_ratio",
    "author_per_s",
    "deliver_p50_ms",
    "deliver_p95_ms",
    "sustained_per_s",
    "sustained_signed_per_s",
    "catchup_per_s",
    "catchup_growth_mb",
    "handshake_p50_ms",
    "start_s",
    "idle_mb",
    "growth_ratio",
    "fanout20_per_s",
    "flood_p95_ratio",
    "flood_growth_mb",
    "strangers_p95_ratio",
    "strangers_growth_mb",
    "fsync_p50_ms",
    "query5_p50_ms",
}


@pytest.mark.slow
def test_a_quick_run_prints_one_object_with_every_figure():
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--quick", "--json"], cwd=ROOT, capture_output=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    said = json.loads(done.stdout)
    assert said.keys() >= FIGURES
    assert {name for name in FIGURES if not said[name] > 0} == set()
    assert all(isinstance(verdict["met"], bool) for verdict in said["targets"].values())
