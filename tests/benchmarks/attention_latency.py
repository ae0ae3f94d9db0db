"""How long the Attention page takes from a person's act to the drawn answer, in Chromium.

    python -m tests.benchmarks.attention_latency [--base http://127.0.0.1:8501] [--repeats 30]

Without --base a workbench of its own is started over the bundled bars. Prints median and 95th percentile in
milliseconds, measured in the page from the event's own time stamp to the frame after the last drawing; and
the processor time that a click takes in the server and in the page's main thread until all is quiet again,
which other work on the machine lengthens far less. The two mostly follow one another, so their sum is about
what a quiet machine needs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

from core.data.ingest.run import ingest_bundled
from core.data.store import BarStore
from tests.browser.conftest import CHROMIUM_FLAGS, ROOT, _wait_until_healthy

LINK = "attention?instrument=AAPL&timeframe=1d&bar=2012-06-29&layer=4&head=1"
LEFT, RIGHT, BARS = 148, 74, 300

WATCH_HOVER = """stage => {
  window.hovers = []
  let began = null
  stage.addEventListener("pointermove", event => (began = event.timeStamp), true)
  new MutationObserver(() => {
    const from = began
    if (from !== null) requestAnimationFrame(() => window.hovers.push(performance.now() - from))
  }).observe(stage, { attributeFilter: ["data-looks"] })
}"""

WATCH_OPENING = """(stage, [layer, head]) => {
  window.opened = null
  window.addEventListener("click", event => {
    const drawn = () => {
      const title = document.querySelector(".st-key-map .gtitle")?.textContent
      const rows = stage.dataset.ready.endsWith(`head ${head}`)
      if (title === `Layer ${layer}, head ${head}` && rows && stage.dataset.glow === String(layer - 1))
        requestAnimationFrame(() => (window.opened = performance.now() - event.timeStamp))
      else requestAnimationFrame(drawn)
    }
    drawn()
  }, { capture: true, once: true })
}"""


@contextmanager
def own_workbench() -> Iterator[tuple[str, int]]:
    """Address and process of a workbench over the bundled bars, for as long as the block lasts."""
    with tempfile.TemporaryDirectory() as home, socket.socket() as probe:
        ingest_bundled(BarStore(Path(home)))
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        log = Path(home) / "server.log"
        command = [sys.executable, "-m", "streamlit", "run", "app/serve.py", "--server.port", str(port)]
        with log.open("wb") as out:
            process = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, "LOOKBACK_HOME": home}, stdout=out, stderr=out
            )
            try:
                _wait_until_healthy(f"http://127.0.0.1:{port}", process, log)
                yield f"http://127.0.0.1:{port}", process.pid
            finally:
                process.terminate()
                process.wait(20)


def settle(page: Page) -> None:
    """Wait until no script runs."""
    page.wait_for_timeout(150)
    page.wait_for_function(
        "document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'"
    )


def hover_times(page: Page, repeats: int) -> list[float]:
    """Milliseconds from a pointer's move to bands and glow drawn."""
    stage = page.locator(".stage")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    assert box is not None
    stage.evaluate(WATCH_HOVER)
    for bar in np.random.default_rng(0).permutation(BARS)[:repeats]:
        x = box["x"] + LEFT + (bar + 0.5) * (box["width"] - LEFT - RIGHT) / BARS
        page.mouse.move(x, box["y"] + 150)
        page.wait_for_timeout(60)
    return page.evaluate("window.hovers")


class Processor:
    """Milliseconds of processor time that server and main thread have used so far."""

    def __init__(self, page: Page, server: int | None) -> None:
        self.server = server
        self.session = page.context.new_cdp_session(page)
        self.session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def read(self) -> tuple[float, float]:
        """Server (0 where it is not ours) and main thread."""
        metrics = {
            entry["name"]: entry["value"] for entry in self.session.send("Performance.getMetrics")["metrics"]
        }
        used = 0.0
        if self.server is not None:
            fields = Path(f"/proc/{self.server}/stat").read_text().rsplit(")", 1)[1].split()
            used = 1e3 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return used, 1e3 * metrics["TaskDuration"]


def opening_times(page: Page, repeats: int, processor: Processor, warm: int = 4) -> np.ndarray:
    """Milliseconds from a click on a small map to map and bands drawn, and of processor time, (n, 3)."""
    stage, times = page.locator(".stage"), []
    rng = np.random.default_rng(1)
    layer, head = 4, 1
    for step in range(repeats + warm):
        while True:
            chosen = int(rng.integers(1, 5)), int(rng.integers(1, 9))
            if chosen[0] != layer and chosen[1] != head:
                break
        layer, head = chosen
        stage.evaluate(WATCH_OPENING, [layer, head])
        before = processor.read()
        page.locator(f'button.map[data-layer="{layer}"][data-head="{head}"]').click()
        page.wait_for_function("window.opened !== null")
        settle(page)
        used = np.subtract(processor.read(), before)
        if step >= warm:
            times.append([page.evaluate("window.opened"), *used])
    return np.array(times)


def report(name: str, times: list[float] | np.ndarray) -> None:
    """One line: median and 95th percentile."""
    median, high = np.quantile(times, [0.5, 0.95])
    print(f"{name}: median {median:.0f} ms, p95 {high:.0f} ms, n = {len(times)}", flush=True)


def measure(base: str, repeats: int, server: int | None = None) -> None:
    """Drive the page and print."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(CHROMIUM_FLAGS))
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(f"{base}/{LINK}")
        page.locator(".stage[data-looks]").wait_for(timeout=90_000)
        settle(page)
        report("hover to bands drawn", hover_times(page, repeats))
        opened = opening_times(page, repeats, Processor(page, server))
        report("head clicked to map and bands drawn", opened[:, 0])
        if server is not None:
            report("  of that, processor time of the server", opened[:, 1])
        report("  of that, processor time of the page's main thread", opened[:, 2])
        browser.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base")
    parser.add_argument("--repeats", type=int, default=30)
    options = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    if options.base:
        measure(options.base, options.repeats)
        return
    with own_workbench() as (base, server):
        measure(base, options.repeats, server)


if __name__ == "__main__":
    main()
