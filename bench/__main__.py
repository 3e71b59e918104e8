"""Run the benchmarks: each in a process of its own, one after the other."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from bench import report
from bench.options import Benchmark, Figures, Options

NAMES = (
    "ingest",
    "border",
    "revoke",
    "audit",
    "author",
    "deliver",
    "sustained",
    "catchup",
    "handshake",
    "start",
    "fanout",
    "flood",
    "crdt",
    "documents",
    "search",
    "query",
    "calls",
    "council",
    "council_blocks",
    "routing",
    "page",
)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("bench", description="The figures of DESIGN.md section 8, as ratios of one run.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--only", choices=NAMES, help="one benchmark, in this process (for a profiler)")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="small sizes: shows that all runs, not how fast")
    size.add_argument("--soak", action="store_true", help="growth up to 10⁶ events")
    return parser.parse_args()


def _run_here(name: str, *, quick: bool, soak: bool) -> Figures:
    benchmark: Benchmark = getattr(import_module(f"bench.{name}"), name)
    with tempfile.TemporaryDirectory(prefix="foedus-bench-") as folder:
        return benchmark(Options(Path(folder), quick, soak))


def _run_apart(name: str, *, quick: bool, soak: bool) -> Figures:
    """Run one in a fresh process, so that none inherits the memory of another."""
    flags = [flag for flag, is_set in (("--quick", quick), ("--soak", soak)) if is_set]
    command = [sys.executable, "-m", "bench", "--json", "--only", name, *flags]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    figures: dict[str, Any] = msgspec.json.decode(done.stdout)
    del figures["targets"]
    return figures


def _run_all(*, quick: bool, soak: bool) -> tuple[Figures, list[str]]:
    """Run all; return the figures, and which failed: one that fails takes no other's figures with it."""
    figures: Figures = {}
    failed = []
    for name in NAMES:
        print(f"{name} …", file=sys.stderr, flush=True)
        try:
            figures |= _run_apart(name, quick=quick, soak=soak)
        except subprocess.CalledProcessError:
            failed.append(name)
    return figures, failed


def main() -> None:
    arguments = _arguments()
    size = {"quick": arguments.quick, "soak": arguments.soak}
    failed: list[str] = []
    if arguments.only:
        figures = _run_here(arguments.only, **size)
    else:
        figures, failed = _run_all(**size)
    if arguments.json:
        print(report.as_json(figures))
    else:
        report.show(figures)
    if failed:
        sys.exit(f"these stopped with an error, said above: {', '.join(failed)}")


if __name__ == "__main__":
    main()
