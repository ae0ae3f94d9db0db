import json
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, log_loss

from core.confidence.calibrators import LearnedMix
from core.confidence.sources import SOURCES
from core.confidence.stated import SET_LEVELS
from core.errors import ConfigError, InputError
from core.experiments.fitted_baselines import BASELINES
from core.experiments.walk_forward.results import (
    ResultsError,
    fold_path,
    load_walk_forward,
    rows_path,
    set_columns,
)
from core.experiments.walk_forward.run import run_walk_forward
from core.review.rows import list_stated
from core.scores.selective import selective_areas
from core.timeframe import known_at
from tests.core.training.walk_forward_markets import market, tiny_config

FOLDS = 2
ARGUMENTS = {"folds": FOLDS, "test_step": 2, "use_ray": False}

# What a killed process runs; the folder is its argument.
SCRIPT = """
import sys
from core.experiments.walk_forward.run import run_walk_forward
from tests.core.training.walk_forward_markets import market, tiny_config
run_walk_forward(market(), tiny_config(), sys.argv[1], folds=2, test_step=2, use_ray=False)
"""


@pytest.fixture(scope="module")
def bars():
    return market()


@pytest.fixture(scope="module")
def finished(bars, tmp_path_factory):
    """An uninterrupted, tracked walk-forward: its folder, result and progress."""
    folder, home = tmp_path_factory.mktemp("finished"), tmp_path_factory.mktemp("home")
    seen = []
    result = run_walk_forward(
        bars, tiny_config(), folder, **ARGUMENTS, progress=lambda *now: seen.append(now), track_home=home
    )
    return folder, result, seen, home


@pytest.fixture
def copied(finished, tmp_path):
    return shutil.copytree(finished[0], tmp_path / "copy")


def _same(first, second):
    pd.testing.assert_frame_equal(first.rows, second.rows, check_exact=True, check_categorical=False)
    pd.testing.assert_frame_equal(
        first.baselines, second.baselines, check_exact=True, check_categorical=False
    )
    pd.testing.assert_frame_equal(
        first.calibrate, second.calibrate, check_exact=True, check_categorical=False
    )
    assert first.summary == second.summary
    for one, other in zip(first.folds, second.folds, strict=True):
        assert (one.audit, one.confidence, one.baselines) == (other.audit, other.confidence, other.baselines)
        assert one.mixes == other.mixes
        pd.testing.assert_frame_equal(one.importance, other.importance, check_exact=True)


def test_rows_are_test_bars_in_fold_order_with_whole_distributions(finished):
    _, result, _, _ = finished
    rows = result.rows
    assert set(rows["task"]) == {"direction", "volatility", "regime", "coin"}
    assert not rows.duplicated(["instrument", "timeframe", "ts", "task"]).any()
    for k, fold in enumerate(result.folds):
        mine = rows[rows["fold"] == k]
        assert (mine["ts"] >= fold.borders.calibrate_end).all()
        if fold.borders.test_end is not None:
            assert (mine["label_end"] < fold.borders.test_end).all()
    for prefix in ("p", "u"):
        total = rows[[f"{prefix}_{c}" for c in range(3)]].sum(axis=1)
        np.testing.assert_allclose(total, 1, atol=1e-5)
    for column in set(list_stated()) - {"uncalibrated"}:
        assert rows[column].between(0, 1).all(), column
    two = (rows["task"] == "coin").to_numpy()
    assert rows.loc[two, ["logit_2", "p_2", "u_2"]].isna().all(axis=None)
    assert rows.loc[~two, ["logit_2", "p_2", "u_2"]].notna().all(axis=None)
    np.testing.assert_allclose(rows["temperature"], rows[["p_0", "p_1", "p_2"]].max(axis=1), atol=1e-6)
    covered = rows[["p_0", "p_1", "p_2"]].to_numpy()[np.arange(len(rows)), rows["label"]]
    assert rows.loc[rows["set_size"] == 1, "covered"].equals(
        pd.Series(covered >= rows["temperature"].to_numpy() - 1e-7)[(rows["set_size"] == 1).to_numpy()]
    )


def test_calibrate_rows_end_before_their_fold_s_test_and_have_every_baseline(finished):
    _, result, _, _ = finished
    assert set(result.rows["segment"]) == {"test"}
    assert set(result.calibrate["segment"]) == {"calibrate"}
    for fold in result.folds:
        mine = result.calibrate[result.calibrate["fold"] == fold.index]
        assert len(mine)
        assert (mine["ts"] >= fold.borders.train_end).all()
        assert (mine["label_end"] < fold.borders.calibrate_end).all()
    keys = ["fold", "instrument", "timeframe", "ts"]
    others = result.calibrate_baselines
    for (task, name), part in others.groupby(["task", "baseline"], observed=True):
        rows = result.calibrate[result.calibrate["task"] == task]
        assert np.array_equal(part[keys].astype(str), rows[keys].astype(str)), (task, name)
        np.testing.assert_allclose(part[["p_0", "p_1", "p_2"]].sum(axis=1), 1, atol=1e-5)
    names = [
        set(map(tuple, table[["task", "baseline"]].astype(str).drop_duplicates().to_numpy()))
        for table in (others, result.baselines)
    ]
    assert names[0] == names[1]


def test_results_of_before_calibrate_rows_were_kept_are_read(copied):
    for k in range(2):
        raw = json.loads(fold_path(copied, k).read_text())
        raw["files"] = {name: digest for name, digest in raw["files"].items() if "calibrate" not in name}
        fold_path(copied, k).write_text(json.dumps(raw))
        for path in copied.glob(f"fold_{k}_calibrate*"):
            path.unlink()
    result = load_walk_forward(copied)
    assert result.calibrate is None
    assert result.calibrate_baselines is None
    assert len(result.rows)


def test_sets_of_a_higher_level_hold_those_of_a_lower_one(finished):
    _, result, _, _ = finished
    sizes, covered = zip(*(set_columns(level) for level in SET_LEVELS), strict=True)
    for low, high in pairwise(sizes):
        assert (result.rows[low] <= result.rows[high]).all()
    for low, high in pairwise(covered):
        assert (result.rows[high] | ~result.rows[low]).all()
    assert (result.rows[sizes[0]] < result.rows[sizes[-1]]).any()


def test_every_fold_keeps_the_mix_without_each_source_and_what_it_is_worth(finished):
    _, result, _, _ = finished
    for fold in result.folds:
        for task, mixes in fold.mixes.items():
            assert set(mixes) == {"all", *SOURCES}
            rows = result.rows[(result.rows["fold"] == fold.index) & (result.rows["task"] == task)]
            classes = len(result.summary[task]["classes"])
            correct = rows[[f"u_{c}" for c in range(classes)]].to_numpy().argmax(1) == rows["label"]
            for name, stored in mixes.items():
                mix = LearnedMix.from_dict(stored)
                stated = mix.apply(rows[list(SOURCES)].to_numpy())
                assert stored["aurc"] == pytest.approx(selective_areas(stated, correct)[0], abs=1e-4)
                if name == "all":
                    np.testing.assert_allclose(stated, rows["mix"], atol=1e-5)
                else:
                    assert mix.weights[list(SOURCES).index(name)] == 0


def test_every_baseline_forecasts_the_model_s_rows(finished):
    _, result, _, _ = finished
    for (task, name), part in result.baselines.groupby(["task", "baseline"], observed=True):
        mine = result.rows[result.rows["task"] == task]
        keys = ["fold", "instrument", "timeframe", "ts"]
        left, right = (frame[keys].astype(str).to_numpy() for frame in (part, mine))
        assert np.array_equal(left, right), (task, name)
        np.testing.assert_allclose(part[["p_0", "p_1", "p_2"]].sum(axis=1), 1, atol=1e-5)
    found = result.baselines.groupby("task", observed=True)["baseline"].unique().map(set)
    assert found["volatility"] == set(BASELINES)
    # Only volatility has a direct path here, and so a line.
    assert found["direction"] == set(BASELINES) - {"har", "line"}


def test_nothing_fitted_saw_a_bar_it_must_not(finished):
    _, result, _, _ = finished
    for fold in result.folds:
        borders = fold.borders
        assert borders.stop_end is not None
        periods = {
            "train": (pd.Timestamp("1900-01-01", tz="UTC"), borders.train_end),
            "stop": (borders.train_end, borders.stop_end),
            "calibrate": (borders.stop_end, borders.calibrate_end),
        }
        segment_of = {"early stopping": "stop", ", choice": "stop"} | dict.fromkeys(
            ("calibrators", "conformal", "ranks", ", temperature", "out-of-distribution"), "calibrate"
        )
        for name, spans in fold.audit.items():
            found = [segment for part, segment in segment_of.items() if part in name]
            start, stop = periods[found[0] if found else "train"]
            for series, span in spans.items():
                assert span["rows"] > 0, (name, series)
                first, last = (pd.Timestamp(span[end]) for end in ("first", "last"))
                assert start <= first <= last, (name, series)
                reach = pd.Timestamp(span.get("label_end", span["last"]))
                assert known_at(reach, "1d") <= stop, (name, series)
        assert {"scaler", "representation", "calibrators regime", "baseline har volatility"} <= set(
            fold.audit
        )


def test_the_summary_s_scores_are_those_scikit_learn_finds_in_the_rows(finished):
    _, result, _, _ = finished
    for task, entry in result.summary.items():
        rows = result.rows[result.rows["task"] == task]
        columns = [f"p_{c}" for c in range(len(entry["classes"]))]
        labels = rows["label"].to_numpy()
        blocks = [(block, rows[rows["fold"] == k]) for k, block in enumerate(entry["folds"])]
        for block, mine in [(entry["pooled"], rows), *blocks]:
            stated = mine[columns].to_numpy(float)
            stated = stated / stated.sum(axis=1, keepdims=True)
            expected = log_loss(mine["label"], stated, labels=range(len(columns)))
            score = block["model"]["log_loss"]
            assert score["value"] == pytest.approx(expected, abs=1e-9)
            assert score["low"] < expected < score["high"]
            assert block["model"]["accuracy"]["value"] == pytest.approx(
                accuracy_score(mine["label"], stated.argmax(1))
            )
            assert block["rows"] == len(mine)
        for name, scores in entry["pooled"]["baselines"].items():
            part = result.baselines[
                (result.baselines["task"] == task) & (result.baselines["baseline"] == name)
            ]
            stated = part[columns].to_numpy(float)
            stated = stated / stated.sum(axis=1, keepdims=True)
            theirs = log_loss(labels, stated, labels=range(len(columns)))
            difference = scores["model_minus_baseline"]["value"]
            assert difference == pytest.approx(
                entry["pooled"]["model"]["log_loss"]["value"] - theirs, abs=1e-9
            )
        assert 0 < entry["pooled"]["perfect_ece"]["median"] < entry["pooled"]["perfect_ece"]["p95"]
    assert result.summary["regime"]["wholly_ahead"]["rows"] > 0
    json.dumps(result.to_dict(), allow_nan=False)


def test_the_table_says_what_the_summary_says(finished):
    _, result, _, _ = finished
    table = pd.DataFrame(result.table()).set_index(["task", "scope", "who"])
    assert table.index.is_unique
    line, block = table.loc[("volatility", "fold 1", "har")], result.summary["volatility"]["folds"][1]
    assert line["difference"] == block["baselines"]["har"]["model_minus_baseline"]["value"]
    assert line["difference"] == pytest.approx(
        table.loc[("volatility", "fold 1", "model"), "log_loss"] - line["log_loss"]
    )
    assert ("regime", "wholly ahead", "model") in table.index


def test_progress_never_falls_and_ends_at_all_epochs(finished):
    _, _, seen, _ = finished
    done = [now for now, _ in seen]
    assert done == sorted(done)
    assert {total for _, total in seen} == {FOLDS * 2 * 3}
    assert seen[-1] == (FOLDS * 2 * 3,) * 2


def test_every_run_is_tracked_with_its_epochs_and_files(finished):
    from mlflow import MlflowClient

    from core.training.tracking import EXPERIMENT, tracking_uri

    _, result, _, home = finished
    client = MlflowClient(tracking_uri(home))
    runs = client.search_runs([client.get_experiment_by_name(EXPERIMENT).experiment_id])
    folds = {run.data.tags["fold"]: run for run in runs if "fold" in run.data.tags}
    assert len(runs) == FOLDS + 1
    assert {run.info.status for run in runs} == {"FINISHED"}
    run, record = folds["0"], result.folds[0]
    assert run.data.params["model.d_model"] == "16"
    losses = client.get_metric_history(run.info.run_id, "calibrate_log_loss")
    np.testing.assert_allclose([point.value for point in losses], record.history["calibrate_log_loss"])
    name = record.importance.columns[3]
    gate = client.get_metric_history(run.info.run_id, f"importance/{name}")
    np.testing.assert_allclose([point.value for point in gate], record.importance[name])
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert files == {"config.json", "fold_0.json", "fold_0.parquet"}


def test_killed_at_a_random_moment_and_resumed_it_gives_the_same_numbers(finished, bars, tmp_path):
    delay = np.random.default_rng(time.time_ns()).uniform(0, 8)
    folder = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(folder)], stderr=subprocess.DEVNULL)
    started = folder / "fold_0" / "run" / "last.ckpt"
    while process.poll() is None and not started.is_file():
        time.sleep(0.02)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    assert process.wait() in (-signal.SIGKILL, 0), "the walk-forward failed by itself"
    left = sorted(path.name for path in folder.iterdir())
    try:
        _same(run_walk_forward(bars, tiny_config(), folder, **ARGUMENTS), finished[1])
    except AssertionError as error:
        raise AssertionError(f"killed {delay:.3f} s after the first checkpoint, leaving {left}") from error


def test_only_what_is_missing_is_done_again(finished, bars, copied):
    for path in (fold_path(copied, 1), copied / "summary.json"):
        path.unlink()
    kept = rows_path(copied, 0).stat().st_mtime_ns
    seen = []
    again = run_walk_forward(
        bars, tiny_config(), copied, **ARGUMENTS, progress=lambda *now: seen.append(now[0])
    )
    _same(again, finished[1])
    assert rows_path(copied, 0).stat().st_mtime_ns == kept
    assert seen[0] == 2 * 3


def test_a_readme_in_the_folder_is_left_alone(finished, bars, copied):
    (copied / "README.md").write_text("Mine.")
    _same(load_walk_forward(copied), finished[1])
    (copied / "summary.json").unlink()
    _same(run_walk_forward(bars, tiny_config(), copied, **ARGUMENTS), finished[1])
    assert (copied / "README.md").read_text() == "Mine."


def test_another_walk_forward_in_the_same_folder_is_refused(bars, copied):
    other = {key: frame.assign(close=frame["close"] * 1.0001) for key, frame in bars.items()}
    with pytest.raises(ResultsError, match="another data"):
        run_walk_forward(other, tiny_config(), copied, **ARGUMENTS)
    with pytest.raises(ResultsError, match="another config"):
        run_walk_forward(bars, tiny_config(training={"epochs": 4}), copied, **ARGUMENTS)
    with pytest.raises(ResultsError, match="another baselines"):
        run_walk_forward(bars, tiny_config(), copied, **ARGUMENTS, baselines=["prior"])
    with pytest.raises(ConfigError, match="baselines out of"):
        run_walk_forward(bars, tiny_config(), copied, baselines=["oracle"])


def test_a_machine_with_other_threads_goes_on_with_the_same_folder(finished, bars, copied):
    other = tiny_config(training={"threads": 2}).model_copy(update={"name": "renamed"})
    _same(run_walk_forward(bars, other, copied, **ARGUMENTS), finished[1])


@pytest.mark.parametrize("damage", ["truncate", "record", "plan", "unfinished", "nothing", "format"])
def test_a_damaged_folder_is_refused_in_a_sentence(copied, damage):
    if damage == "truncate":
        content = rows_path(copied, 1).read_bytes()
        rows_path(copied, 1).write_bytes(content[: len(content) // 2])
    elif damage == "record":
        fold_path(copied, 0).write_text('{"index": 0')
    elif damage == "plan":
        (copied / "walk_forward.json").write_text("[]")
    elif damage == "format":
        plan = json.loads((copied / "walk_forward.json").read_text())
        (copied / "walk_forward.json").write_text(json.dumps(plan | {"format_version": 99}))
    elif damage == "unfinished":
        fold_path(copied, 1).unlink()
    else:
        shutil.rmtree(copied)
    with pytest.raises(ResultsError, match=r"^Expected .*\.$"):
        load_walk_forward(copied)


def test_series_too_short_for_a_fold_are_left_out_of_it_and_named(bars, tmp_path):
    young = bars["BBB", "1d"].iloc[720:].reset_index(drop=True)
    series = {("AAA", "1d"): bars["AAA", "1d"], ("BBB", "1d"): young}
    config = tiny_config(training={"epochs": 1}, data={"instruments": ["AAA", "BBB"]})
    result = run_walk_forward(
        series, config, tmp_path, folds=2, test_step=8, baselines=["prior"], use_ray=False
    )
    assert list(result.folds[0].skipped) == ["BBB|1d"]
    assert set(result.rows.loc[result.rows["fold"] == 0, "instrument"]) == {"AAA"}


def test_bars_too_few_are_refused(bars, tmp_path):
    short = {key: frame.iloc[:60] for key, frame in bars.items()}
    with pytest.raises(InputError, match="Expected"):
        run_walk_forward(short, tiny_config(), tmp_path, folds=2)


def test_folds_on_ray_give_the_same_numbers(finished, bars, tmp_path):
    _same(run_walk_forward(bars, tiny_config(), tmp_path, **ARGUMENTS | {"use_ray": True}), finished[1])
