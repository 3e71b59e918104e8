"""Runs the story step by step, tells each with its time, and leaves nothing behind."""

from __future__ import annotations

import json
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TextIO

from msgspec import Struct, to_builtins

from foedus.base.errors import FoedusError
from foedus.surfaces.cli.text import CROSS, TICK
from foedus.surfaces.demo.processes import NodeProcess
from foedus.surfaces.demo.story import STEPS, Story
from foedus.values.access import PairCodeView

FAILED = 1


class Step(Struct, frozen=True):
    """How one step of the story went. ``detail``: what was seen, or why it failed."""

    name: str
    ok: bool
    seconds: float
    detail: str


class Page(Struct, frozen=True):
    """Where a node of the story that stays up shows its page. ``link`` signs one browser in, within ten minutes."""

    name: str
    url: str
    link: str


class Shown(Struct, frozen=True):
    """The whole demo, as ``--json`` prints it. ``pages``: those of the nodes that stay up."""

    ok: bool
    steps: list[Step]
    seconds: float
    pages: list[Page]


def run_demo(as_json: bool, out: TextIO, keep: bool = False) -> int:  # noqa: FBT001, FBT002  # `foedus demo` passes both on
    """Tell the story on ``out``; return 0, or 1 where a step failed: the story then ends there.

    ``keep``: where all of it held, let the nodes run until Ctrl-C or SIGTERM, so that people can look at their pages.
    """
    started = time.monotonic()
    steps: list[Step] = []
    with _signals_raise(), tempfile.TemporaryDirectory(prefix="foedus-demo-", ignore_cleanup_errors=True) as folder:
        story = Story(Path(folder))
        try:
            for step in _played(story):
                steps.append(step)
                if not as_json:
                    print(_line(step), file=out, flush=True)
            shown = _shown(steps, started, story if keep else None)
            _tell(shown, as_json, out)
            if shown.pages:
                _stay()
        finally:
            story.end()
    return 0 if shown.ok else FAILED


def _shown(steps: list[Step], started: float, stays: Story | None) -> Shown:
    ok = all(step.ok for step in steps)
    pages = [_page(node) for node in stays.nodes] if ok and stays is not None else []
    return Shown(ok, steps, round(time.monotonic() - started, 3), pages)


def _page(node: NodeProcess) -> Page:
    """Ask a node for the code that makes a browser a person who governs it, as `foedus pair start --architect` does."""
    body = {"participant": "", "kind": "human", "architect": True}
    code = node.client.ask("POST", "/api/pair/generate", PairCodeView, body)
    return Page(node.name, f"{node.url}/", code.link)


def _tell(shown: Shown, as_json: bool, out: TextIO) -> None:  # noqa: FBT001  # as above
    if as_json:
        print(json.dumps(to_builtins(shown)), file=out, flush=True)
        return
    end = "All of it held" if shown.ok else "The demo failed"
    print(f"{end}, after {shown.seconds:.1f} s.", file=out, flush=True)
    for page in shown.pages:
        print(f"{page.name}'s page is {page.url} and this signs you in, once: {page.link}", file=out, flush=True)
    if shown.pages:
        print("The nodes stay up until Ctrl-C; then all of it is gone.", file=out, flush=True)


def _stay() -> None:
    """Return when a signal says so."""
    with suppress(KeyboardInterrupt):
        while True:
            signal.pause()


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
