"""The demo is the promise that a newcomer sees kept. It runs as they run it."""

import io
import json
import os
import subprocess
import sys

import pytest

from foedus.base.errors import FoedusError, Unavailable
from foedus.crypto.ed25519 import Ed25519Key
from foedus.surfaces.demo import run_demo, show
from foedus.surfaces.demo.story import STEPS
from foedus.values.access import PairStep

WITHIN_S = 240
"""Less than the guard against hanging tests takes."""


@pytest.mark.slow
def test_the_demo_holds_and_leaves_nothing_behind(tmp_path):
    demo = [sys.executable, "-m", "foedus.surfaces.cli.main", "demo", "--json"]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    ran = subprocess.run(demo, capture_output=True, text=True, timeout=WITHIN_S, env=environment, check=False)
    shown = json.loads(ran.stdout)
    assert ran.returncode == 0, shown
    assert shown["ok"] is True
    assert [step["name"] for step in shown["steps"]] == list(STEPS)
    assert all(step["ok"] and step["detail"] for step in shown["steps"])
    assert sum(step["seconds"] for step in shown["steps"]) <= shown["seconds"]
    assert list(tmp_path.iterdir()) == []
    assert ran.stderr == ""


def fails(_story):
    raise Unavailable("the tide was out")


def starts_one_and_fails(story):
    story.birch.start()
    story.birch.errors.write_text("birch said this on stderr\n")
    fails(story)


def test_a_step_that_fails_ends_the_story_with_what_the_nodes_said(monkeypatch):
    monkeypatch.setattr(show, "STEPS", {"one": lambda _: "well", "two": starts_one_and_fails, "three": fails})
    out = io.StringIO()
    assert run_demo(as_json=True, out=out) == 1
    shown = json.loads(out.getvalue())
    assert shown["ok"] is False
    assert [(step["name"], step["ok"]) for step in shown["steps"]] == [("one", True), ("two", False)]
    assert "the tide was out" in shown["steps"][1]["detail"]
    assert "birch said this on stderr" in shown["steps"][1]["detail"]


def test_the_story_ends_its_nodes_even_when_interrupted(monkeypatch):
    seen = []

    def interrupted(story):
        story.cedar.start()
        seen.append(story.cedar._running())
        raise KeyboardInterrupt

    monkeypatch.setattr(show, "STEPS", {"one": interrupted})
    with pytest.raises(KeyboardInterrupt):
        run_demo(as_json=False, out=io.StringIO())
    assert seen[0].returncode is not None


def test_people_read_a_line_for_each_step(monkeypatch):
    monkeypatch.setattr(show, "STEPS", {"one": lambda _: "well", "two": fails})
    out = io.StringIO()
    run_demo(as_json=False, out=out)
    lines = out.getvalue().splitlines()
    assert lines[0].endswith("one: well")
    assert "two: the tide was out" in lines[1]
    assert lines[-1].startswith("The demo failed")


def test_a_kept_demo_stays_up_and_each_link_signs_one_browser_in(monkeypatch):
    kept = []

    def one(story):
        story.nodes = (story.birch,)
        story.birch.start()
        kept.append(story.birch)
        return "birch is up"

    def looks():
        code = out.getvalue().split("#pair=")[1].split()[0]
        claim = {"step": "claim", "code": code, "device": Ed25519Key(bytes(32)).public.hex(), "name": "laptop"}
        kept.append(kept[0].client.ask("POST", "/api/pair", PairStep, claim))
        with pytest.raises(FoedusError):
            kept[0].client.ask("POST", "/api/pair", PairStep, claim)
        raise KeyboardInterrupt

    out = io.StringIO()
    monkeypatch.setattr(show, "STEPS", {"one": one})
    monkeypatch.setattr(show.signal, "pause", looks)
    assert run_demo(as_json=False, out=out, keep=True) == 0
    birch, step = kept
    assert step.challenge
    assert f"birch's page is {birch.url}/ and this signs you in, once: {birch.url}/#pair=" in out.getvalue()
    assert birch.complaint() == ""


def test_a_demo_that_failed_does_not_stay_up(monkeypatch):
    monkeypatch.setattr(show, "STEPS", {"one": fails})
    out = io.StringIO()
    assert run_demo(as_json=True, out=out, keep=True) == 1
    assert json.loads(out.getvalue())["pages"] == []
