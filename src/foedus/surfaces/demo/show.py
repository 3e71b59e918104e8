"""Runs the story step by step, tells each with its time, and leaves nothing behind."""

from __future__ import annotations

import json
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TextIO

from msgspec import Struct, to_builtins

from foedus.base.errors import FoedusError
from foedus.surfaces.cli.text import CROSS, TICK
from foedus.surfaces.demo.story import STEPS, Story

FAILED = 1


class Step(Struct, frozen=True):
    """How one step of the story went. ``detail``: what was seen, or why it failed."""

    name: str
    ok: bool
    seconds: float
    detail: str


class Shown(Struct, frozen=True):
    """The whole demo, as ``--json`` prints it."""

    ok: bool
    steps: list[Step]
    seconds: float


def run_demo(as_json: bool, out: TextIO) -> int:  # noqa: FBT001  # what `foedus demo` passes on
    """Tell the story on ``out``; return 0, or 1 where a step failed: the story then ends there."""
    started = time.monotonic()
    steps: list[Step] = []
    with _signals_raise(), tempfile.TemporaryDirectory(prefix="foedus-demo-", ignore_cleanup_errors=True) as folder:
        story = Story(Path(folder))
        try:
            for step in _played(story):
                steps.append(step)
                if not as_json:
                    print(_line(step), file=out, flush=True)
        finally:
            story.end()
    shown = Shown(all(step.ok for step in steps), steps, round(time.monotonic() - started, 3))
    if as_json:
        print(json.dumps(to_builtins(shown)), file=out, flush=True)
    else:
        end = "All of it held" if shown.ok else "The demo failed"
        print(f"{end}, after {shown.seconds:.1f} s.", file=out, flush=True)
    return 0 if shown.ok else FAILED


def _played(story: Story) -> Iterator[Step]:
    for name, play in STEPS.items():
        started = time.monotonic()
        try:
            ok, detail = True, play(story)
        except (FoedusError, OSError) as error:
            ok, detail = False, "\n".join([str(error), *story.complaints()])
        yield Step(name, ok, round(time.monotonic() - started, 3), detail)
        if not ok:
            return


def _line(step: Step) -> str:
    mark = TICK if step.ok else CROSS
    return f"{mark} {step.seconds:5.2f} s  {step.name}: {step.detail}"


@contextmanager
def _signals_raise() -> Iterator[None]:
    """Let SIGTERM end the demo as Ctrl-C does, so that its nodes never outlive it."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
