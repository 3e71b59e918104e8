"""The benchmarks run and say what they should; how fast is for `make bench`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import bench.__main__ as benchmarks
from tests.page.browsing import chromium

ROOT = Path(__file__).parents[2]
WITHIN_S = 240
"""Less than the guard against hanging tests takes; a quick run takes some seconds on an idle machine."""
FIGURES = {
    "ingest": {
        "ingest_checks_per_s",
        "raw_verify_per_s",
        "ingest_ratio",
        "raw_pair_ratio",
        "ingest_processor_us",
        "raw_processor_us",
        "growth_ratio",
    },
    "border": {"border_cost_ratio", "cold_chain_ms"},
    "revoke": {"revoke_p50_ms", "revoke_busy_p50_ms", "revoke_worst_ms"},
    "audit": {"audit_cost_ratio"},
    "author": {"author_per_s"},
    "deliver": {"deliver_p50_ms", "deliver_p95_ms", "fsync_p50_ms"},
    "sustained": {"sustained_per_s", "sustained_signed_per_s"},
    "catchup": {"catchup_per_s", "catchup_growth_mb"},
    "handshake": {"handshake_p50_ms"},
    "start": {"start_s", "idle_mb"},
    "fanout": {"fanout20_per_s"},
    "flood": {"flood_p95_ratio", "flood_growth_mb", "strangers_p95_ratio", "strangers_growth_mb"},
    "crdt": {"crdt_merge_s", "crdt_merge_ratio"},
    "documents": {"document_p50_ms", "document_p95_ms", "document_updates_per_s", "blob_mb_per_s"},
    "calls": {"call_p50_ms", "call_p95_ms", "calls_per_s", "call_fsync_ms"},
    "search": {"index_per_s", "search_p50_ms", "search_p95_ms", "meaning_p50_ms", "meaning_p95_ms"},
    "query": {"query5_p50_ms", "query5_p95_ms", "query50_desks_ms", "query50_frames"},
    "council": {
        "council_alone_per_s",
        "council_alone_p50_ms",
        "council_batch_per_s",
        "council16_per_s",
        "council_view_change_ms",
        "council_fsync_ms",
    },
    "council_blocks": {
        "council_n4_single_block_ms",
        "council_n7_batch_messages",
        "council_n10_single_signatures",
        "council_n7_seal_block_ms",
        "council_growth_of_square",
    },
    "page": {"page_usable_s", "page_frame_ms", "page_frame_work_ms"},
    "routing": {"routing_recall_ratio", "routing_messages_ratio", "routing_rank_ms"},
}


def quick(*arguments):
    command = [sys.executable, "-m", "bench", "--quick", "--json", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=WITHIN_S, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("name", benchmarks.NAMES)
def test_a_quick_run_gives_every_figure(name):
    if name == "page":
        chromium()
    said = quick("--only", name)
    assert said.keys() >= FIGURES[name]
    assert {figure for figure in FIGURES[name] if not said[figure] > 0} == set()
    assert all(isinstance(verdict["met"], bool) for verdict in said["targets"].values())


def test_a_run_prints_one_object_of_all(monkeypatch, capsys):
    monkeypatch.setattr(benchmarks, "NAMES", ("author", "handshake"))
    monkeypatch.setattr(sys, "argv", ["bench", "--quick", "--json"])
    monkeypatch.chdir(ROOT)
    benchmarks.main()
    said = json.loads(capsys.readouterr().out)
    assert said.keys() > FIGURES["author"] | FIGURES["handshake"]
    assert said["targets"].keys() == {"author_per_s", "handshake_p50_ms"}


def test_one_that_fails_takes_no_other_with_it_and_the_run_says_so(monkeypatch, capsys):
    monkeypatch.setattr(benchmarks, "NAMES", ("unknown", "handshake"))
    monkeypatch.setattr(sys, "argv", ["bench", "--quick", "--json"])
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit, match="unknown"):
        benchmarks.main()
    assert json.loads(capsys.readouterr().out).keys() >= FIGURES["handshake"]
