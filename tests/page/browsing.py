"""A real Chromium at the pages of real nodes. What the browser complains of fails the test, whatever it looked at."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from foedus.surfaces.web.page import FILES
from foedus.values.access import PairCodeView

SHOTS = Path(__file__).resolve().parents[2] / "build" / "page"
AXE = Path(__file__).resolve().parents[2] / "ui" / "node_modules" / "axe-core" / "axe.min.js"
PATIENCE_MS = 60_000
"""Two cores run two test workers, their nodes and a browser."""
_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_WATCH = """
addEventListener('securitypolicyviolation', (event) =>
  console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`))
"""
_GUIDELINES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
SMOOTH_MS = 50
"""What one frame may take while a long list scrolls."""
_HARMLESS = ("net::ERR_CONNECTION_REFUSED", "net::ERR_INCOMPLETE_CHUNKED_ENCODING", "net::ERR_CONNECTION_RESET")
"""What Chromium itself writes when a node is away: the page says so in its own words, and a test looks at them."""


def chromium() -> str:
    """Return the browser's program; skip by name where a developer has none, fail in CI, where it is installed."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        _give_up("Chromium is not installed: apt-get install chromium")
    if not (FILES / "index.html").is_file():
        _give_up("the page is not built: make page")
    return str(found)


def _give_up(why: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(why, pytrace=False)
    pytest.skip(why)


def _worked_ms(devtools) -> float:
    metrics = devtools.send("Performance.getMetrics")["metrics"]
    return next(each["value"] for each in metrics if each["name"] == "TaskDuration") * 1_000


@contextmanager
def started():
    """Start the browser; end it, whatever happens."""
    from playwright.sync_api import expect, sync_playwright  # noqa: PLC0415  # only where there is a browser

    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=_FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class Visitor:
    """A person at the page of a node, in a browser of their own, which remembers every complaint."""

    def __init__(self, browser, node, url="", **options) -> None:
        self.node = node
        self.url = url or node.url
        self.complaints: list[str] = []
        self.away = False
        """Whether the node is expected not to answer now."""
        options.setdefault("viewport", {"width": 1280, "height": 900})
        # Without motion: what is looked at while a colour moves to another has any contrast.
        self.context = browser.new_context(base_url=self.url, locale="en-GB", reduced_motion="reduce", **options)
        self.context.set_default_timeout(PATIENCE_MS)
        self.context.add_init_script(_WATCH)
        self.page = self.context.new_page()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        self.page.on("request", self._request)

    def _console(self, message) -> None:
        if message.type == "error" and not (self.away and any(words in message.text for words in _HARMLESS)):
            self.complaints.append(f"console: {message.text} ({message.location})")

    def _request(self, request) -> None:
        if urlsplit(request.url).scheme not in {"blob", "data"} and not request.url.startswith(self.url):
            self.complaints.append(f"a third party was asked: {request.url}")

    def sign_in(self, name: str, *, architect: bool = True, participant: str = "") -> Visitor:
        """Pair this browser by a code of the operator, as the link of `foedus pair start` does."""
        body = {"participant": participant, "kind": "human", "architect": architect}
        code = self.node.client.ask("POST", "/api/pair/generate", PairCodeView, body).code
        self.page.goto(f"/#pair={code}")
        self.page.get_by_label("Your name").fill(name)
        self.page.get_by_role("button", name="Pair").click()
        self.page.get_by_role("navigation", name="Screens").wait_for(state="attached")
        return self

    def go(self, *parts: str) -> None:
        """Open a screen by its address."""
        self.page.evaluate("(hash) => { location.hash = hash }", "#/" + "/".join(parts))

    def shoot(self, name: str) -> None:
        """Keep pictures of what is shown as build output: wide and light, narrow and dark; FOEDUS_SHOTS=all: each."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        for width, height in ((1280, 900), (360, 740)):
            self.page.set_viewport_size({"width": width, "height": height})
            for scheme in ("light", "dark"):
                if os.environ.get("FOEDUS_SHOTS") == "all" or (width > height) == (scheme == "light"):
                    self.page.emulate_media(color_scheme=scheme)
                    self.page.screenshot(path=SHOTS / f"{name}-{width}-{scheme}.png")
        self.page.set_viewport_size({"width": 1280, "height": 900})
        self.page.emulate_media(color_scheme="light")

    def accessible(self) -> list[str]:
        """Return what axe finds wrong with what is shown: all in light, contrast in dark."""
        found = []
        self.page.evaluate("(source) => (globalThis.axe ? 0 : (0, new Function(source))())", AXE.read_text())
        for scheme, rules in (("light", _GUIDELINES), ("dark", {"type": "rule", "values": ["color-contrast"]})):
            self.page.emulate_media(color_scheme=scheme)
            result = self.page.evaluate("(rules) => axe.run({runOnly: rules, resultTypes: ['violations']})", rules)
            found += [
                f"{scheme}: {each['id']}: {node['html'][:160]} {node['failureSummary'][:300]}"
                for each in result["violations"]
                for node in each["nodes"]
            ]
        self.page.emulate_media(color_scheme="light")
        return found

    def frame_works(self, view, steps=24, by=400) -> list[float]:
        """Scroll step by step; return what each frame took of the page's processor time, in ms.

        Processor time, since a frame waits for a core where others are at work.
        """
        devtools = self.context.new_cdp_session(self.page)
        devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
        marks = [_worked_ms(devtools)]
        for _ in range(steps):
            view.evaluate("async (view, by) => { view.scrollTop += by; await new Promise(requestAnimationFrame) }", by)
            marks.append(_worked_ms(devtools))
        devtools.detach()
        return [after - before for before, after in pairwise(marks)]

    def loaded(self) -> list[str]:
        """Return the addresses of what the page has loaded."""
        return self.page.evaluate("() => performance.getEntriesByType('resource').map((entry) => entry.name)")

    def loaded_bytes(self) -> int:
        """Return how many bytes the page's own files were on their way here, compressed as they were."""
        return self.page.evaluate(
            """() => [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
              .filter((entry) => !new URL(entry.name).pathname.startsWith('/api/'))
              .reduce((sum, entry) => sum + entry.encodedBodySize, 0)"""
        )

    def close(self) -> None:
        """Leave; fail where the browser complained."""
        self.context.close()
        assert not self.complaints, "\n".join(self.complaints)


PHONE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


class Phone:
    """Chromium's virtual authenticator: it answers by itself while its person is there."""

    def __init__(self, visitor):
        self._session = visitor.context.new_cdp_session(visitor.page)
        self._session.send("WebAuthn.enable")
        made = self._session.send("WebAuthn.addVirtualAuthenticator", {"options": PHONE})
        self._id = {"authenticatorId": made["authenticatorId"]}

    def unlocks(self, *, willing):
        """Say whether its person shows a finger when it asks."""
        self._session.send("WebAuthn.setUserVerified", self._id | {"isUserVerified": willing})
