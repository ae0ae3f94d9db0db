"""The workbench as a visitor opens it, without a browser."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from streamlit.testing.v1 import AppTest

MAIN = Path(__file__).resolve().parents[2] / "app" / "main.py"
TEXT = ("markdown", "text", "caption", "code", "info")


def open_page(page: str | None, state: Mapping[str, object] | None = None, **params: str) -> AppTest:
    """A page (None is the first one, Live) with `params` in its link and `state` in the session."""
    app = AppTest.from_file(str(MAIN), default_timeout=120)
    for name, value in params.items():
        app.query_params[name] = value
    app.run()
    if page is None:
        return app
    for name, value in params.items():
        app.query_params[name] = value
    for name, value in (state or {}).items():
        app.session_state[name] = value
    return app.switch_page(f"../pages/{page}.py").run()


def said(app: AppTest) -> str:
    """All text on the page, one element after the other; HTML as it is sent."""
    bodies = [element.proto.body for element in app.get("html")]
    return " ".join([*bodies, *(str(element.value) for kind in TEXT for element in app.get(kind))])


def assert_no_fault(app: AppTest) -> None:
    """Neither an exception nor the notice that stands for one."""
    assert not app.exception
    assert "Something went wrong" not in said(app)


def assert_accepted(app: AppTest) -> None:
    """No fault, and nothing in the link or on the page was refused."""
    assert_no_fault(app)
    assert "This cannot be used as it is" not in said(app)


def wait_for(app: AppTest, *texts: str, seconds: float = 60) -> str:
    """Run again, as the browser does, until one of `texts` is said; everything said then."""
    end = time.monotonic() + seconds
    while not any(text in said(app) for text in texts) and time.monotonic() < end:
        time.sleep(0.2)
        app.run()
    assert any(text in said(app) for text in texts), f"none of {texts} after {seconds} s in: {said(app)}"
    return said(app)
