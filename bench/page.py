"""The page in a real Chromium: from the load until it can be used, and the longest frame while long lists scroll."""

from __future__ import annotations

import shutil
import sys
from statistics import median
from typing import TYPE_CHECKING

from bench.options import Figures, Options
from bench.processes import BenchNode, Cluster
from foedus.surfaces.cli.client import path_of
from foedus.surfaces.web.page import FILES
from foedus.values.access import PairCodeView
from foedus.values.node import ParticipantView, Placed
from foedus.values.rooms import RoomView

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession, Page

_BATCH = 250
_FRAMES = 120
_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
]
_USABLE = """
globalThis.usable = new Promise((resolve) => new MutationObserver((_, watcher) => {
  if (!document.querySelector('nav#places a')) return
  if (!document.querySelector('main dl.facts .good, main dl.facts .warn')) return
  watcher.disconnect()
  resolve(performance.now())
}).observe(document, { childList: true, subtree: true }))
"""
"""Home is usable when its links are there and the node has said how it is."""
_SCROLL = """async (view) => {
  let [longest, last] = [0, await new Promise(requestAnimationFrame)]
  for (let step = 0; step < FRAMES; step++) {
    view.scrollTop -= 400
    const now = await new Promise(requestAnimationFrame)
    longest = Math.max(longest, now - last)
    last = now
  }
  return longest
}""".replace("FRAMES", str(_FRAMES))


def page(options: Options) -> Figures:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None or not (FILES / "index.html").is_file():
        print("page: not measured, there is no Chromium or no page (make page)", file=sys.stderr)
        return {}
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  # only where there is a browser

    runs = options.size(7, 2)
    with Cluster(options.folder) as cluster, sync_playwright() as playwright:
        node = cluster.home("shown")
        node.start()
        room = _filled(node, options.size(10_000, 1_000))
        browser = playwright.chromium.launch(executable_path=program, args=_FLAGS)
        try:
            tab = browser.new_context(base_url=node.url).new_page()
            _sign_in(tab, node)
            loads = [_load_ms(tab) for _ in range(runs)]
            tab.evaluate("(room) => { location.hash = `#/rooms/${room}` }", room)
            messages = tab.get_by_role("group", name="Messages")
            messages.get_by_role("listitem").first.wait_for()
            devtools = tab.context.new_cdp_session(tab)
            devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
            before = _worked_ms(devtools)
            frames = [float(messages.evaluate(_SCROLL)) for _ in range(runs)]
            work = (_worked_ms(devtools) - before) / (runs * _FRAMES)
        finally:
            browser.close()
    return {"page_usable_s": median(loads) / 1_000, "page_frame_ms": median(frames), "page_frame_work_ms": work}


def _worked_ms(devtools: CDPSession) -> float:
    """Return the processor time of the page's thread: what a busy machine does not lengthen."""
    metrics = devtools.send("Performance.getMetrics")["metrics"]
    return next(float(each["value"]) for each in metrics if each["name"] == "TaskDuration") * 1_000


def _filled(node: BenchNode, count: int) -> str:
    room = node.client.post("/rooms", RoomView, {"name": "long"}).room
    agent = node.client.post("/participants", ParticipantView, {"name": "scout"}).did
    for first in range(0, count, _BATCH):
        said = [{"text": f"message {number}", "as": agent} for number in range(first, first + _BATCH)]
        node.client.post(path_of("rooms", room, "messages:batch"), list[Placed], said)
    return room


def _sign_in(tab: Page, node: BenchNode) -> None:
    body = {"participant": "", "kind": "human", "architect": True}
    tab.goto(node.client.ask("POST", "/api/pair/generate", PairCodeView, body).link)
    tab.get_by_label("Your name").fill("ada")
    tab.get_by_role("button", name="Pair").click()
    tab.get_by_role("navigation", name="Screens").wait_for()
    tab.add_init_script(_USABLE)
    devtools = tab.context.new_cdp_session(tab)
    devtools.send("Network.enable")
    devtools.send("Network.setCacheDisabled", {"cacheDisabled": True})
    devtools.send("Network.setBypassServiceWorker", {"bypass": True})


def _load_ms(tab: Page) -> float:
    """Load all of the page from the node, as a first visit does, with a key that is there."""
    tab.reload()
    return float(tab.evaluate("globalThis.usable"))
