"""A running workbench over the bundled bars, and a browser to use it with."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from core.data.ingest.run import ingest_bundled
from core.data.store import BarStore

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
START_SECONDS = 60
FIRST_RUN_SECONDS = 90
"""The first run imports everything; on a busy machine that takes its time."""
expect.set_options(timeout=20_000)


@dataclass
class Workbench:
    """A page of the running workbench, and whatever the browser complained about."""

    page: Page
    base: str
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str = "") -> None:
        self.page.goto(f"{self.base}/{path}")
        self.settle()

    def settle(self) -> None:
        """Wait until no script runs; a click needs a moment to start one."""
        self.page.wait_for_timeout(150)
        self.page.wait_for_selector("[data-testid=stApp]")
        self.page.wait_for_function(
            "document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'",
            timeout=FIRST_RUN_SECONDS * 1000,
        )

    def visit(self, title: str) -> None:
        """Change the page through the navigation."""
        self.page.get_by_role("link", name=title).click()
        self.settle()

    def choose(self, label: str, option: str) -> None:
        """Pick an option of a select box."""
        self.page.get_by_role("combobox", name=label).click()
        self.page.get_by_role("option", name=option, exact=True).click()
        self.settle()

    def assert_sound(self) -> None:
        """No error box, no fault box, nothing in the browser's console."""
        expect(self.page.get_by_test_id("stException")).to_have_count(0)
        expect(self.page.get_by_text("Something went wrong in Lookback itself")).to_have_count(0)
        expect(self.page.get_by_text("This cannot be used as it is")).to_have_count(0)
        assert self.complaints == []


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder that holds the bundled bars."""
    folder = tmp_path_factory.mktemp("home")
    ingest_bundled(BarStore(folder))
    return folder


@pytest.fixture(scope="session")
def server(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a workbench of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log"
    command = [sys.executable, "-m", "streamlit", "run", "app/serve.py", "--server.port", str(port)]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, "LOOKBACK_HOME": str(home)}, stdout=out, stderr=out
        )
        try:
            _wait_until_healthy(f"http://127.0.0.1:{port}", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium from PATH."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.fail(
            "The browser tests need Chromium on PATH: install it with `apt-get install chromium` "
            "(or your system's package), then run the tests again.",
            pytrace=False,
        )
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=list(CHROMIUM_FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture(params=["light"])
def context(browser: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    """A fresh visitor; parametrise indirectly for the dark theme."""
    visitor = browser.new_context(
        viewport={"width": 1280, "height": 900},
        color_scheme=request.param,
        permissions=["clipboard-read", "clipboard-write"],
    )
    yield visitor
    visitor.close()


@pytest.fixture
def workbench(context: BrowserContext, server: str) -> Workbench:
    """The Live page, settled."""
    bench = Workbench(context.new_page(), server)
    bench.page.on("console", lambda said: _note(bench, said.type, said.text, said.location.get("url", "")))
    bench.page.on("pageerror", lambda error: bench.complaints.append(str(error)))
    bench.open()
    return bench


def _note(bench: Workbench, kind: str, text: str, url: str) -> None:
    # Opened at /attention, Streamlit's client looks for the server under that path before the root.
    probes_path = "/_stcore/" in url and "404" in text
    if kind == "error" and not probes_path:
        bench.complaints.append(f"{text} {url}")


def _wait_until_healthy(base: str, process: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{base}/_stcore/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise AssertionError(f"The workbench did not start:\n{log.read_text(errors='replace')}")
