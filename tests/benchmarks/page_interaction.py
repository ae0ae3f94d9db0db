"""How long from a click to what it changes being drawn, on What-if and Similar, in Chromium.

    python -m tests.benchmarks.page_interaction --url http://127.0.0.1:8501 [--changes 30]

The workbench must run with the bundled bars (`make run`). The clock runs in the browser from the pointer
going down to the first frame in which the watched figure or sentence is another. Every edit on What-if is a
new one, so it is never read from a cache; on Similar the index is loaded and every choice was made before.
"""

from __future__ import annotations

import argparse
import shutil
import statistics

from playwright.sync_api import Page, sync_playwright

from tests.benchmarks.attribution_interaction import PATIENCE, settle
from tests.browser.conftest import CHROMIUM_FLAGS

PLACE = "instrument=AAPL&timeframe=1d&bar=2012-06-29"
_WATCH = """() => document.addEventListener(
    'pointerdown', () => { window.clicked = performance.now(); }, true
)"""
_SHIFTS = """() => {
    const plots = [...document.querySelectorAll('.js-plotly-plot')];
    const found = plots.find(plot => plot.querySelector('.gtitle')?.textContent.startsWith('Probability'));
    return found ? [...found.querySelectorAll('.scatterlayer path')].map(p => p.getAttribute('d')
        + p.getAttribute('transform')).join() : null;
}"""
_SENTENCE = """() => {
    const found = [...document.querySelectorAll('p')].find(p => p.textContent.startsWith('Of the '));
    return found ? found.textContent : null;
}"""


def time_click(page: Page, role: str, name: str, watched: str) -> float:
    """Milliseconds from the click to the first frame in which `watched` is another."""
    before = page.evaluate(watched)
    page.get_by_role(role, name=name, exact=True).first.click()  # type: ignore[arg-type]
    page.wait_for_function(
        f"before => {{ const now = ({watched})(); return now !== null && now !== before; }}",
        arg=before, polling="raf", timeout=PATIENCE,
    )  # fmt: skip
    passed = float(page.evaluate("performance.now() - window.clicked"))
    settle(page)
    return passed


def report(what: str, times: list[float]) -> None:
    """Median, 95th percentile and slowest of milliseconds."""
    times = sorted(times)
    p95 = times[min(len(times) - 1, round(0.95 * len(times)))]
    print(f"{what}: median {statistics.median(times):.0f} ms, p95 {p95:.0f} ms")
    print(f"n = {len(times)}, slowest {times[-1]:.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--url", default="http://127.0.0.1:8501")
    parser.add_argument("--changes", type=int, default=30)
    options = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=list(CHROMIUM_FLAGS)
        )
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.add_init_script(f"({_WATCH})()")

        page.goto(f"{options.url}/what_if?{PLACE}")
        page.get_by_text("Nothing is changed yet").wait_for(timeout=PATIENCE)
        settle(page)
        edits = [("button", "Last bar closes 2% lower"), ("button", "2% higher"), ("button", "Volume x3")]
        time_click(page, *edits[2], _SHIFTS)
        # Three lower for one higher, so that no set of edits comes twice.
        chosen = [edits[1] if index % 4 == 3 else edits[0] for index in range(options.changes)]
        report("edit to new probabilities", [time_click(page, *edit, _SHIFTS) for edit in chosen])

        page.goto(f"{options.url}/similar?{PLACE}")
        page.get_by_text("nearest moments").first.wait_for(timeout=PATIENCE)
        settle(page)
        choices = [("radio", name) for name in ("5", "Volatility", "20", "Regime", "10", "Direction")]
        for choice in choices:
            time_click(page, *choice, _SENTENCE)
        chosen = [choices[index % len(choices)] for index in range(options.changes)]
        report("choice to new similar moments", [time_click(page, *choice, _SENTENCE) for choice in chosen])
        browser.close()


if __name__ == "__main__":
    main()
