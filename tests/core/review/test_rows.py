"""The review's numbers: filters, bands, the line, what sources add, on forecasters whose truth is known."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss

from app.figures.performance import confusion_figure, folds_figure, learning_figure, scores_figure
from app.figures.reliability import calibrators_figure, histogram_figure, mark_line, reliability_figure
from app.figures.selective import leave_out_figure, risk_figure
from app.review.tables import forms_table, scores_table
from app.review.words import acting_sentence, error_sentence, forms_sentence, left_out_sentence, rolling_share
from app.words.numbers import with_interval
from core.confidence.choice import METHODS
from core.review.acting import count_acting
from core.review.calibration import (
    compare_calibrators,
    compare_stated,
    follow_calibration,
    measure_reliability,
    score_errors,
)
from core.review.performance import (
    MODEL,
    balance_labels,
    follow_learning,
    score_rows,
    tabulate_scores,
    tabulate_targets,
)
from core.review.rows import (
    REGIMES,
    RowFilter,
    list_reviews,
    list_stated,
    mask_rows,
    stretches_of,
    take_rows,
)
from core.review.selective import (
    compare_forms,
    leave_out,
    missing_mixes,
    missing_ranks,
    score_areas,
    trace_risk,
)
from core.review.track_record import build_records
from core.scores.selective import selective_areas
from tests.core.review.synthetic_review import write_synthetic


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("home") / "walk_forward" / "synthetic"


@pytest.fixture(scope="module")
def result(folder):
    return write_synthetic(folder, bars=1000, folds=2)


@pytest.fixture(scope="module")
def rows(result):
    return take_rows(result, RowFilter("direction"))


@pytest.fixture(scope="module")
def blocks(rows):
    return stretches_of(rows)


@pytest.mark.parametrize(
    "chosen",
    [
        RowFilter("regime"),
        RowFilter("direction", called="Bearish"),
        RowFilter("direction", instrument="BBB", timeframe="1d"),
        RowFilter("volatility", regime="Ranging", fold=1),
        RowFilter("direction", start="2015-03-01", end="2015-03-31", called="Sideways"),
        RowFilter("direction", instrument="nowhere"),
    ],
)
def test_a_filter_keeps_exactly_the_rows_it_names(result, chosen) -> None:
    expected = 0
    classes = next(t.classes for t in result.config.tasks if t.name == chosen.task)
    for row in result.rows.itertuples():
        called = classes[int(np.argmax([row.p_0, row.p_1, row.p_2]))]
        expected += (
            row.task == chosen.task
            and chosen.called in (None, called)
            and chosen.instrument in (None, row.instrument)
            and chosen.regime in (None, REGIMES[row.regime_now])
            and chosen.fold in (None, row.fold)
            and (chosen.start or "0") <= str(row.ts.date()) <= (chosen.end or "9")
        )
    found = take_rows(result, chosen)
    assert len(found) == expected
    assert (np.diff(found.times.astype(np.int64)) >= 0).all()


def test_a_known_miscalibration_is_recovered_and_its_repair_lies_in_the_band(rows, blocks) -> None:
    before = score_errors(rows, "uncalibrated", blocks)
    after = score_errors(rows, "confidence", blocks)
    assert before.loc["ece", "low"] > 3 * before.loc["ece", "p95"]
    assert after.loc["ece", "value"] < 1.5 * after.loc["ece", "p95"]
    true_gap = (rows.stated["uncalibrated"] - rows.stated["confidence"]).mean()
    assert before.loc["ece", "value"] == pytest.approx(true_gap, abs=0.03)
    assert "more than chance" in error_sentence(before, len(rows))


def test_a_perfect_forecaster_lies_inside_the_drawn_band_at_about_the_stated_rate() -> None:
    rng = np.random.default_rng(5)
    inside = []
    for _ in range(12):
        stated, n = rng.uniform(0.35, 1, 1500), 1500
        right = rng.random(n) < stated
        one = _rows(stated, right)
        found = measure_reliability(one, "confidence", stretches_of(one))
        held = found.curve.count > 0
        inside.append(
            (
                (found.curve.accuracy >= found.perfect.low - 1e-9)
                & (found.curve.accuracy <= found.perfect.high + 1e-9)
            )[held].mean()
        )
    assert 0.88 <= np.mean(inside) <= 1.0


def test_empty_bins_get_an_open_tick_and_neither_point_nor_bar(rows, blocks) -> None:
    found = measure_reliability(rows, "confidence", blocks)
    figure = reliability_figure(found, "confidence", title="t", dark=False)
    empty = int((found.curve.count == 0).sum())
    ticks = next(trace for trace in figure.data if trace.name == "no predictions")
    assert empty > 0
    assert len(ticks.x) == empty
    assert ticks.marker.symbol.endswith("-open")
    for trace in figure.data[1:4]:
        assert len(trace.x) == 15 - empty
    assert (np.asarray(figure.data[3].y) > 0).all()
    lines = calibrators_figure(compare_calibrators(rows), dark=True)
    assert np.isnan(np.asarray(lines.data[1].y, float)).any()
    assert not lines.data[1].connectgaps


@pytest.mark.parametrize("percent", [0, 34, 50, 60, 75, 100])
def test_the_sentence_counts_what_a_plain_count_counts(rows, blocks, percent) -> None:
    sentence = acting_sentence(count_acting(rows, "confidence", blocks), percent)
    acted = rows.stated["confidence"] >= percent / 100
    if not acted.any():
        assert "never have acted" in sentence
        return
    assert f"acted {acted.sum():,} times" in sentence
    assert f"been right {100 * rows.correct[acted].mean():.0f}%" in sentence
    for k, name in enumerate(rows.classes):
        kind = acted & (rows.call == k)
        if kind.any():
            assert f"{name} right {100 * rows.correct[kind].mean():.0f}%" in sentence


def test_the_lines_interval_holds_its_value(rows, blocks) -> None:
    found = count_acting(rows, "confidence", blocks).share_right(60)
    assert found.low < found.value < found.high


def test_the_informative_source_is_the_one_that_helps(result, rows, blocks) -> None:
    table = leave_out(rows, result.folds, "direction", blocks)
    assert table.loc["mc_dropout", "raw_low"] > 0
    assert table.loc["mc_dropout", "mix_low"] > 0
    assert table.loc["attention", "raw_value"] < table.loc["mc_dropout", "raw_value"]
    assert np.allclose(table.loc["attention", ["mix_value"]].astype(float), 0, atol=1e-9)
    assert len(leave_out_figure(table, dark=False).data) == 2
    assert missing_mixes(rows, result.folds, "direction") is None
    assert "In the sum of four: steadiness under dropout helps" in left_out_sentence(table)


def test_results_without_refitted_mixes_say_so_and_still_show_the_sum(result, rows, blocks) -> None:
    old = [dataclasses.replace(fold, mixes={}) for fold in result.folds]
    table = leave_out(rows, old, "direction", blocks)
    assert table["mix_value"].isna().all()
    assert table["raw_value"].notna().all()
    assert "run it again" in (missing_mixes(rows, old, "direction") or "")
    assert "learned mix" not in left_out_sentence(table)
    unfitted = [dataclasses.replace(fold, confidence={"direction": None}) for fold in result.folds]
    assert "too few bars" in (missing_mixes(rows, unfitted, "direction") or "")
    assert np.isnan(np.asarray(leave_out_figure(table, dark=True).data[1].x, float)).all()


@pytest.mark.parametrize(
    "chosen",
    [
        RowFilter("direction", instrument="AAA"),
        RowFilter("volatility", start="2016-01-01", end="2016-12-31"),
        RowFilter("regime", regime="Trending", timeframe="1d"),
    ],
)
def test_scores_of_chosen_rows_are_those_of_scikit_learn_on_the_same_rows(result, chosen) -> None:
    entry = score_rows(result, chosen)
    kept = mask_rows(result.rows, chosen)
    rows = result.rows[kept]
    assert entry["pooled"]["rows"] == kept.sum()
    keys = pd.MultiIndex.from_frame(rows[["instrument", "ts"]].astype(str))
    every = {"the model": rows, **dict(list(result.baselines.groupby("baseline", observed=True)))}
    for name, table in every.items():
        table = table[(table["task"] == chosen.task).to_numpy()]
        mine = pd.MultiIndex.from_frame(table[["instrument", "ts"]].astype(str)).isin(keys)
        stated = table.loc[mine, ["p_0", "p_1", "p_2"]].to_numpy(float)
        expected = log_loss(rows["label"], stated / stated.sum(axis=1, keepdims=True), labels=[0, 1, 2])
        scores = entry["pooled"]["model"] if name == "the model" else entry["pooled"]["baselines"][name]
        assert scores["log_loss"]["value"] == pytest.approx(expected, abs=1e-6)
        assert scores["log_loss"]["low"] - 1e-9 <= expected <= scores["log_loss"]["high"] + 1e-9
    model = entry["pooled"]["model"]["log_loss"]
    assert model["low"] < model["value"] < model["high"]
    assert len(tabulate_scores(entry["pooled"])) == 1 + len(entry["pooled"]["baselines"])
    assert balance_labels(result, chosen)["rows"].sum() == kept.sum()


def test_areas_rank_knowledge_above_noise(rows, blocks) -> None:
    areas = score_areas(rows, blocks)
    assert areas.loc["confidence", "gain_low"] > 0
    assert areas.loc["similarity", "gain_low"] < 0 < areas.loc["similarity", "gain_high"]
    assert areas["aurc"].is_monotonic_increasing


def test_forms_of_the_confidence_are_scored_as_scikit_learn_does_beside_the_probability_alone(
    rows, blocks
) -> None:
    forms = compare_forms(rows, blocks)
    assert set(forms.index) == {"confidence", *METHODS}
    assert forms["loss"].is_monotonic_increasing
    for name, line in forms.iterrows():
        stated = rows.stated[name]
        assert line["loss"] == pytest.approx(log_loss(rows.correct, stated.clip(1e-15, 1 - 1e-15)), abs=1e-9)
        assert line["aurc"] == pytest.approx(selective_areas(stated, rows.correct)[0])
        for kind in ("loss", "aurc"):
            assert line[f"{kind}_beside"] == pytest.approx(line[kind] - forms.loc["temperature", kind])
            assert line[f"{kind}_low"] <= line[f"{kind}_beside"] <= line[f"{kind}_high"]
    assert (forms.loc["temperature", ["loss_beside", "loss_low", "aurc_high"]] == 0).all()
    # The same order shrunk towards one half: worse to bet on, no worse to choose by.
    assert forms.loc["joint", "loss_low"] > 0
    assert forms.loc["joint", "aurc_beside"] == pytest.approx(0, abs=1e-9)


def test_a_form_that_knows_more_is_named_and_one_that_does_not_is_not(rows, blocks) -> None:
    truth = rows.stated["temperature"]
    base = np.full(len(rows), rows.correct.mean())
    told = dataclasses.replace(rows, stated=rows.stated | dict.fromkeys(METHODS, base) | {"joint": truth})
    said = forms_sentence(compare_forms(told, blocks))
    assert said.endswith("right: the probability and the sources' ranks.**")
    nothing = dataclasses.replace(rows, stated=rows.stated | dict.fromkeys(METHODS, base))
    assert "nothing to the probability that can be shown" in forms_sentence(compare_forms(nothing, blocks))
    table = forms_table(compare_forms(told, blocks)).set_index("made of")
    assert table.loc["the probability and the sources' ranks", "so"] == "better"
    assert table.loc["the probability alone", "so"] == ""


def test_results_written_before_ranks_were_kept_open_and_say_what_is_missing(tmp_path: Path) -> None:
    older = write_synthetic(tmp_path / "older", ranks=False)
    rows = take_rows(older, RowFilter("direction"))
    forms = compare_forms(rows, stretches_of(rows))
    assert set(forms.index) == {"confidence", *METHODS} - {"ranked", "joint"}
    assert "before ranks were kept" in str(missing_ranks(rows))
    records = build_records(rows)
    assert not any(name.startswith("rank_") for name in records)
    assert {"confidence", "mc_dropout"} <= set(records)


def test_where_only_some_folds_rank_the_others_are_offered(rows) -> None:
    assert missing_ranks(rows) is None
    joint = np.where(rows.fold == 0, np.nan, rows.stated["joint"])
    some = dataclasses.replace(rows, stated=rows.stated | {"joint": joint})
    assert "choose the others by Fold" in str(missing_ranks(some))
    assert missing_ranks(some.take(rows.fold == 1)) is None


def test_the_risk_curves_end_at_the_overall_error(rows) -> None:
    curves = trace_risk(rows)
    assert set(curves) == set(list_stated())
    for curve in curves.values():
        assert curve.coverage[-1] == 1
        assert curve.risk[-1] == pytest.approx(1 - rows.correct.mean())
        assert (curve.oracle <= curve.risk + 1e-12).all()
    assert len(risk_figure(curves, ("confidence", "raw"), dark=True).data) == 4


def test_what_states_nothing_is_left_out_and_never_drawn_as_zero(rows) -> None:
    missing = dataclasses.replace(rows, stated=rows.stated | {"mix": np.full(len(rows), np.nan)})
    assert len(missing.stating("mix")) == 0
    assert "mix" not in compare_stated(missing).index
    assert "mix" not in trace_risk(missing)


def test_windows_through_time_carry_a_floor_and_every_border(rows) -> None:
    found = follow_calibration(rows, "confidence")
    assert len(found.borders) == 1
    assert found.floor.shape == found.rolling.ece.shape
    assert (found.rolling.ece < found.floor).mean() > 0.7


def test_rolling_shares_equal_a_plain_loop() -> None:
    rng = np.random.default_rng(1)
    acted, right = rng.random(60) < 0.2, rng.random(60) < 0.5
    last = np.arange(9, 60, 3)
    expected = [
        right[i - 9 : i + 1][acted[i - 9 : i + 1]].mean() if acted[i - 9 : i + 1].any() else np.nan
        for i in last
    ]
    np.testing.assert_allclose(rolling_share(acted, right, last, 10), expected)


def test_the_histogram_holds_every_prediction(rows) -> None:
    right, wrong = histogram_figure(rows.stated["confidence"], rows.correct).data
    assert sum(right.y) == rows.correct.sum()
    assert -sum(wrong.y) == (~rows.correct).sum()


def test_the_line_is_drawn_on_a_copy(rows) -> None:
    base = histogram_figure(rows.stated["confidence"], rows.correct)
    assert len(mark_line(base, 0.6, False).layout.shapes) == 1
    assert not base.layout.shapes


def test_performance_tables_say_met_better_and_worse(result) -> None:
    pooled = tabulate_scores(result.summary["direction"]["pooled"])
    assert pooled.index[0] == MODEL
    table = scores_table(pooled).set_index("forecaster")
    assert table.loc["always the usual shares", "so"] == "the model is better"
    targets = tabulate_targets(result.summary).set_index("what")
    measured = result.summary["direction"]["pooled"]["model"]["accuracy"]["value"]
    assert targets.loc["Direction: share right", "verdict"] == ("met" if measured > 0.65 else "not met")
    balance = balance_labels(result, RowFilter("regime"))
    np.testing.assert_allclose(balance.drop(columns="rows").sum(axis=1), 1)
    learned = follow_learning(result.folds, "volatility")
    assert learned["kept"].sum() == len(result.folds)
    assert len(learning_figure(learned, dark=False).data) == 3 * len(result.folds)


def test_figures_of_performance_make_the_model_thick_and_leave_gaps(result) -> None:
    pooled = tabulate_scores(result.summary["direction"]["pooled"])
    traces = {t.y[0]: t for t in scores_figure(pooled, "accuracy", title="t", dark=False).data}
    model = traces[f"<b>{MODEL}</b>"]
    assert all(model.error_x.thickness > t.error_x.thickness for n, t in traces.items() if t is not model)
    folds = folds_figure([pooled, None, pooled], "ece", dark=False)
    assert np.isnan(folds.data[-1].y[1])
    figure = confusion_figure([[0, 0], [1, 9]], ["Up", "Down"], title="t", dark=True)
    heat = figure.data[0]
    assert heat.text[0][0] == "none"
    shown = {(a.y, a.x): (a.text, a.font.color) for a in figure.layout.annotations}
    assert shown[1, 1] == ("90%<br>9", "#000000")
    assert shown[1, 0] == ("10%<br>1", "#FFFFFF")
    assert shown[0, 0][0] == "none"


def test_walk_forwards_are_found_only_when_finished(folder, result, tmp_path: Path) -> None:
    home = folder.parents[1]
    (folder.parent / "begun").mkdir(exist_ok=True)
    assert list_reviews(home, shipped=tmp_path) == {"synthetic": folder}
    assert list_reviews(tmp_path, shipped=tmp_path) == {}


def test_an_interval_that_is_missing_is_not_printed() -> None:
    assert with_interval(0.5, np.nan, np.nan) == "50.0"
    assert with_interval(np.nan, np.nan, np.nan) == "–"


def _rows(stated: np.ndarray, right: np.ndarray):
    """Rows of two classes; class 0 is always called, and the confidence is `stated`."""
    from core.review.rows import ReviewRows

    n = len(stated)
    probabilities = np.column_stack([np.full(n, 0.6), np.full(n, 0.4)])
    times = pd.date_range("2000-01-01", periods=n).to_numpy("datetime64[us]")
    return ReviewRows(
        classes=("A", "B"), times=times, ends=times, fold=np.zeros(n, int), labels=np.where(right, 0, 1),
        call=np.zeros(n, int), probabilities=probabilities, uncalibrated=probabilities,
        stated=dict.fromkeys(list_stated(), stated), set_size={}, covered={}, position=np.arange(n),
    )  # fmt: skip
