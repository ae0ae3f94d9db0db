"""The Attribution page without a browser, over a small model."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.bundle import save_bundle
from core.explain.evidence import store as evidence_store
from core.explain.evidence.store import evidence_folder, write_evidence
from core.explain.methods.registry import METHODS
from tests.app.attribution.test_words import PLANTED, generator
from tests.app.workbench import assert_accepted, open_page, said, wait_for

open_attribution = partial(open_page, "attribution", instrument="AAA", timeframe="1d")
QUICK = {"method": "gradient_times_input"}


@pytest.fixture
def home(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No measurements of explanations shipped either."""
    monkeypatch.setattr(evidence_store, "SHIPPED", tmp_path / "no evidence")
    return home


def chosen(app: AppTest, name: str) -> str:
    return app.selectbox(key=f"attribution_{name}").value


@pytest.mark.usefixtures("home")
def test_the_page_explains_checks_and_says_what_was_not_measured() -> None:
    app = open_attribution(**QUICK)
    text = wait_for(app, "Without the 7 bars")
    assert_accepted(app)
    assert "Blue cells pushed the model towards" in text
    assert "The strongest causes" in text
    assert "without it P(" in text
    assert "Reference: 16 ordinary windows of AAA, P(" in text
    assert "of 20 random orders" in text
    assert "Beats a random order?" in text
    assert "python -m core evidence --parts planted" in text
    assert METHODS["gradient_times_input"].paper in text
    assert len(app.get("plotly_chart")) == 2


@pytest.mark.usefixtures("home")
def test_methods_that_are_wrong_on_this_model_are_not_offered() -> None:
    app = open_attribution(**QUICK)
    offered = app.selectbox(key="attribution_method").options
    assert offered == [method.title for method in METHODS.values()]
    assert not [name for name in offered if "deep" in name.lower() and "lift" in name.lower()]
    assert not [name for name in [*METHODS, *offered] if "deepexplainer" in name.lower().replace("_", "")]


@pytest.mark.usefixtures("home")
def test_class_and_method_follow_the_link_and_change_it() -> None:
    app = open_attribution(task="regime", target="Volatile", reference="window_mean", **QUICK)
    text = wait_for(app, "Without the 7 bars")
    assert "towards Volatile" in text
    assert [chosen(app, name) for name in ("task", "target", "reference")] == [
        "regime", "Volatile", "window_mean",
    ]  # fmt: skip
    app.selectbox(key="attribution_target").select("Ranging").run()
    assert app.query_params["target"] == "Ranging"
    assert "towards Ranging" in wait_for(app, "towards Ranging")
    app.selectbox(key="attribution_task").select("direction").run()
    assert "target" not in app.query_params
    assert_accepted(app)


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("old", "now"),
    [
        ("window_mean", "window_mean"),
        ("training_median", "ordinary_windows"),
        ("multi_reference", "ordinary_windows"),
    ],
)
def test_a_link_that_names_a_baseline_still_opens(old: str, now: str) -> None:
    app = open_attribution(baseline=old, **QUICK)
    assert chosen(app, "reference") == now
    wait_for(app, "Without the 7 bars")
    assert_accepted(app)


@pytest.mark.usefixtures("home")
def test_a_reference_that_never_was_is_called_so() -> None:
    text = wait_for(open_attribution(reference="window_mean", **QUICK), "Reference: the window's own mean")
    assert "Reference: the window's own mean, P(" in text


@pytest.mark.usefixtures("home")
def test_the_second_time_the_answer_is_there_at_once(home: Path) -> None:
    app = open_attribution(**QUICK)
    wait_for(app, "Without the 7 bars")
    kept = {path: path.stat().st_size for path in (home / "explanations").glob("*.npz")}
    # The attribution, its check, and the model's judgement of the earlier windows.
    assert len(kept) == 3
    import streamlit as st

    st.cache_resource.clear()
    again = open_attribution(**QUICK)
    assert "Without the 7 bars" in wait_for(again, "Without the 7 bars", seconds=5)
    assert {path: path.stat().st_size for path in (home / "explanations").glob("*.npz")} == kept


@pytest.mark.usefixtures("home")
def test_a_link_to_a_method_that_does_not_exist_says_which_do() -> None:
    app = open_attribution(method="deep_lift")
    assert "a method out of ig," in said(app)
    assert "got 'deep_lift'" in said(app)
    assert not app.exception


def test_the_default_method_is_the_one_that_finds_planted_causes_best(home: Path, walk_bundle) -> None:
    best = {"typical_window": generator(0.9)["scores"]["ig"]["window_mean"]}
    table = {
        "architecture": walk_bundle.config.model.model_dump(mode="json"),
        "windows": 100,
        "generators": {"rare_bars": generator(0.8, gradient_times_input=best)},
    }
    write_evidence(evidence_folder(home, walk_bundle), walk_bundle, "planted", table)
    app = open_attribution()
    assert chosen(app, "method") == "gradient_times_input"
    assert chosen(app, "reference") == "typical_window"
    text = wait_for(app, "On 1 planted market")
    assert "AUPRC .90 ± .03; guessing scores .02" in text
    assert_accepted(app)
    assert set(PLANTED) < set(table)


@pytest.mark.usefixtures("home")
def test_global_importance_says_how_to_measure_it() -> None:
    app = open_attribution(state={"attribution_tab": "Over many bars"})
    assert "python -m core evidence --parts importance" in said(app)
    assert_accepted(app)


def test_one_member_of_an_ensemble_is_explained_alone_and_says_its_own_probability(
    home: Path, pair_bundle
) -> None:
    save_bundle(pair_bundle, home / "models" / "pair")
    app = open_attribution(model="pair", **QUICK)
    app.selectbox(key="attribution_member").select(2).run()
    text = wait_for(app, "Explained is member 2 alone: it says P(")
    assert_accepted(app)
    assert "all together say" in text
    assert app.query_params["member"] == "2"
    assert "Explained is member" not in wait_for(open_attribution(model="small", **QUICK), "Blue cells")
