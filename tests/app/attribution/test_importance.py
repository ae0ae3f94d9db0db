"""The global importance tab: what leads, how surely, what may go, in three views."""

from __future__ import annotations

from typing import Any

import pytest

from app.attribution.importance import importance_sentence, importance_table, importance_views, split_calendar
from core.bundle import Bundle
from core.explain.evidence.store import evidence_folder, write_evidence
from tests.app.attribution.test_page import open_attribution
from tests.app.workbench import assert_no_fault, said

SHARES = {"return_5": [0.5, 0.4, 0.6], "rsi_14": [0.3, 0.2, 0.39], "mfi_14": [0.002, 0.001, 0.004]}
GROUPS = {"return_5": "price", "rsi_14": "price", "mfi_14": "volume"}
SLICES = {"instrument": {"AAA": SHARES}, "regime": {}, "period": {}}


def measured(removable: tuple[str, ...] = ("mfi_14",), surely: float = 0.001) -> dict[str, Any]:
    """What `measure_importance` writes, with the numbers that matter here."""
    sources = {"price": [0.8, 0.7, 0.9], "volume": [0.2, 0.1, 0.3]}
    growth = {
        "return_5": [0.02, surely, 0.03],
        "rsi_14": [0.0, -0.01, 0.01],
        "mfi_14": [0.0, -0.01, 0.01],
    }
    task = {
        "attribution": {
            "features": {"all": SHARES, **SLICES},
            "groups": {"all": sources, "instrument": {"AAA": sources}, "regime": {}, "period": {}},
        },
        "permutation": {"features": growth, "groups": {"price": growth["return_5"], "volume": [0, 0, 0]}},
        "log_loss": 1.05,
        "completeness_error": 0.001,
        "removable": list(removable),
    }
    return {
        "segment": "test", "windows": 120, "series": ["AAA 1d", "BBB 1d"], "first": "2011-01-03",
        "last": "2013-02-28", "method": "ig", "reference": "window_mean", "threshold": 0.01, "block": 20,
        "level": 0.95, "groups": GROUPS, "gate": {"return_5": 0.4, "rsi_14": 0.35, "mfi_14": 0.25},
        "removable": list(removable), "counts": {"instrument": {"AAA": 60}, "regime": {}, "period": {}},
        "tasks": {name: task for name in ("direction", "volatility", "regime")}, "seconds": 1.0,
    }  # fmt: skip


def test_the_sentence_names_the_leader_its_interval_and_what_skill_rests_on() -> None:
    said = importance_sentence(measured(), "direction", SHARES, None, "features")
    assert "**Return over 5 bars carries 50% [40, 60] of what moves the model's call of direction**" in said
    assert "clearly ahead of RSI, 14 bars at 30%" in said
    assert "costs log-loss surely (interval above 0) for 1 of 3" in said
    assert "120 windows of the test segment, 2011-01-03 to 2013-02-28, 2 series" in said
    assert "whiskers are 95% intervals" in said


def test_a_lead_inside_the_whiskers_and_skill_inside_chance_are_said_to_be_so() -> None:
    close = {**SHARES, "rsi_14": [0.45, 0.35, 0.55]}
    said = importance_sentence(measured(surely=-0.001), "direction", close, "AAA", "features")
    assert "hardly to be told from RSI, 14 bars" in said
    assert "Shuffling none of them costs log-loss surely" in said
    assert "direction in AAA**" in said


def test_the_calendar_does_not_lead_however_much_it_carries() -> None:
    shares = {**SHARES, "day_of_week_cos": [0.9, 0.8, 1.0]}
    content = measured() | {"groups": {**GROUPS, "day_of_week_cos": "calendar"}}
    assert split_calendar(content, shares, "features") == (list(SHARES), ["day_of_week_cos"])
    said = importance_sentence(content, "direction", shares, None, "features")
    assert said.startswith("**Return over 5 bars carries 50%")
    assert "Calendar features carry 90% and stand apart" in said
    groups = {"price": [0.3, 0.2, 0.4], "calendar": [0.6, 0.5, 0.7], "volume": [0.1, 0, 0.2]}
    assert split_calendar(content, groups, "groups") == (["price", "volume"], ["calendar"])


def test_the_three_views_stand_side_by_side_and_the_gate_is_summed_by_source() -> None:
    content = measured()
    views = importance_views(content, "direction", SHARES, "features", None)
    assert [view.line for view in views] == [0.01, None, None]
    assert views[2].values["return_5"] == (0.4, 0.4, 0.4)
    grouped = importance_views(
        content, "direction", content["tasks"]["direction"]["attribution"]["groups"]["all"], "groups", "AAA"
    )
    assert grouped[2].values["price"] == pytest.approx((0.75, 0.75, 0.75))
    assert [view.title.endswith("all windows") for view in grouped] == [False, True, True]


def test_the_table_holds_every_number_that_is_drawn_by_name() -> None:
    table = importance_table(measured(), "direction", SHARES, "features")
    assert list(table.index) == ["return_5", "rsi_14", "mfi_14"]
    assert list(table.columns) == [
        "attribution", "attribution_low", "attribution_high", "permutation", "permutation_low",
        "permutation_high", "gate",
    ]  # fmt: skip
    assert table.loc["return_5"].tolist() == [0.5, 0.4, 0.6, 0.02, 0.001, 0.03, 0.4]


@pytest.mark.parametrize(
    ("removable", "sentence"),
    [(("mfi_14",), "**1 feature may go:**"), ((), "**Nothing may go:**")],
)
def test_the_tab_shows_it_and_says_what_may_go(
    home, walk_bundle: Bundle, removable: tuple[str, ...], sentence: str
) -> None:
    write_evidence(evidence_folder(home, walk_bundle), walk_bundle, "importance", measured(removable))
    app = open_attribution(method="gradient_times_input")
    app.session_state["attribution_tab"] = "Over many bars"
    app.run()
    text = said(app)
    assert_no_fault(app)
    assert "carries 50% [40, 60]" in text
    assert sentence in text
    assert ("python -m core select-features" in text) == bool(removable)
    assert len(app.get("plotly_chart")) == 1
    app.selectbox(key="importance_of").select("instrument").run()
    assert "direction in AAA" in said(app)
    assert_no_fault(app)
