"""Entry of the workbench: ``python -m streamlit run app/main.py`` from the project's root."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from app.components.crosshair import share_crosshair
from app.shell import cached, controls, notices
from app.shell.style import STYLE
from app.strip import draw_strip
from core.data.store import SeriesSummary

ROOT = Path(__file__).resolve().parents[1]
LOGO = ROOT / "assets" / "logo.svg"


@dataclass(frozen=True)
class PageSpec:
    """One page: its script, how it is called, and what must exist before it can say anything."""

    name: str
    title: str
    icon: str
    about: str
    needs_bars: bool = True
    needs_model: bool = True


PAGES = (
    PageSpec("live", "Live", ":material/candlestick_chart:", "What the model says of the chosen bar"),
    PageSpec("desk", "Desk", ":material/dashboard:", "Every series at its newest bar: where the day starts"),
    PageSpec("attention", "Attention", ":material/visibility:", "Which earlier bars the model looks at"),
    PageSpec(
        "attribution", "Attribution", ":material/grid_on:", "Which features at which bars drove a call"
    ),
    PageSpec(
        "what_if", "What-if", ":material/experiment:", "Change bars or features and see what the model says"
    ),
    PageSpec("similar", "Similar", ":material/manage_search:", "Earlier moments like it, and what came"),
    PageSpec(
        "calibration", "Calibration", ":material/balance:", "What a stated confidence is worth", False, False
    ),
    PageSpec(
        "selective",
        "Selective",
        ":material/filter_alt:",
        "What is left when only the surest are acted on",
        False,
        False,
    ),
    PageSpec(
        "performance", "Performance", ":material/leaderboard:", "The model beside its baselines", False, False
    ),
    PageSpec(
        "backtest", "Backtest", ":material/monitoring:", "What acting on the calls would have earned",
    ),
    PageSpec(
        "data", "Data", ":material/database:", "Bring bars, see what is stored and what was wrong with it",
        needs_bars=False, needs_model=False,
    ),
    PageSpec(
        "glossary", "Glossary", ":material/menu_book:", "Every term of the screen in one sentence",
        needs_bars=False, needs_model=False,
    ),
)  # fmt: skip


def main() -> None:
    """Draw navigation, strip and the chosen page."""
    st.set_page_config(page_title="Lookback", page_icon=str(LOGO), layout="wide")
    st.logo(str(LOGO), size="large")
    st.html(STYLE)
    share_crosshair()
    cached.settle_memory()
    pages = {
        spec.name: st.Page(
            ROOT / "pages" / f"{spec.name}.py", title=spec.title, icon=spec.icon, help=spec.about,
            default=spec is PAGES[0],
        )
        for spec in PAGES
    }  # fmt: skip
    page = st.navigation(list(pages.values()), position="top")
    spec = next(spec for spec in PAGES if pages[spec.name].url_path == page.url_path)
    if spec.name != "live":
        controls.stop_replay()
    with notices.guard():
        series = cached.series()
        if _prepare(series, spec, None if spec.name == "live" else pages["live"], pages["glossary"]):
            page.run()


def _prepare(series: list[SeriesSummary], spec: PageSpec, live_page, glossary_page) -> bool:
    """Strip and empty states; whether the page can run."""
    if not series:
        if spec.needs_bars:
            notices.show_empty_store()
        return not spec.needs_bars
    models = cached.models()
    ready = False
    with notices.guard():
        controls.read_url(series)
        draw_strip(series, models, live_page, glossary_page)
        controls.write_url()
        ready = True
    if not ready:
        return not spec.needs_bars
    if spec.needs_model and not models:
        notices.show_no_model()
        return False
    return True


main()
