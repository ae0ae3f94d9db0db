import shutil
import zipfile

import numpy as np
import pytest

from core.__main__ import main
from core.cli.command import parse_time
from core.cli.output import show_evaluation, show_walk_forward
from core.errors import InputError
from core.predictor import Predictor
from core.training.evaluation import evaluate
from tests.conftest import random_walk
from tests.core.command_line import refuse, run

TINY = [
    "model.d_model=16",
    "model.num_attention_heads=2",
    "model.ffn_dim=16",
    "training.epochs=1",
    "training.threads=1",
    "data.timeframes=[1d]",
]
PREDICT = ["predict", "--instrument", "AAA", "--timeframe", "1d"]


def test_predict_prints_what_machines_need(home, capsys):
    result = run(
        capsys,
        "predict",
        "--instrument",
        "AAA",
        "--timeframe",
        "1d",
        "--at",
        "2009-06-06",
        "--model",
        "small",
    )
    assert result["ts"] == "2009-06-05T00:00:00+00:00"
    assert result["known_at"] == "2009-06-06T00:00:00+00:00"
    assert {"model_version", "latency_ms", "out_of_distribution"} <= set(result)
    assert list(result["tasks"]) == ["direction", "volatility", "regime"]
    for name, task in result["tasks"].items():
        assert sum(task["probabilities"]) == pytest.approx(1, abs=1e-5)
        assert len(task["classes"]) == len(task["logits"]) == 3
        assert set(task["sources"]) == {"attention", "ensemble", "similarity", "mc_dropout"}
        assert 0 <= task["raw_confidence"] <= 1
        assert 0 < task["confidence"] < 1
        assert 0 <= task["head_confidence"] <= 1
        assert ("intensity" in task) == (name == "volatility")


def test_probabilities_are_the_calibrated_ones_and_the_softmax_has_a_name_of_its_own(
    home, capsys, walk_bundle
):
    from scipy.special import softmax

    at = f"{walk_bundle.borders.train_end - np.timedelta64(9, 'D'):%Y-%m-%d}"
    result = run(capsys, *PREDICT, "--model", "small", "--at", at)
    for name, task in result["tasks"].items():
        logits = np.array(task["logits"])
        assert np.allclose(task["softmax"], softmax(logits), atol=1e-5)
        fitted = walk_bundle.confidence[name].calibration
        assert np.allclose(task["probabilities"], fitted.probabilities(logits[None])[0], atol=1e-6)
    assert result["segment"] == "train"
    assert main([*PREDICT, "--model", "small", "--at", at]) == 0
    assert "IN SAMPLE" in capsys.readouterr().out


def test_a_bar_after_all_that_made_the_model_is_not_said_to_be_in_sample(home, capsys):
    assert run(capsys, *PREDICT, "--model", "small")["segment"] == "test"
    assert main([*PREDICT, "--model", "small"]) == 0
    assert "IN SAMPLE" not in capsys.readouterr().out


def test_a_prediction_of_an_instrument_never_trained_on_says_so(home, capsys):
    from core.data.store import BarStore

    BarStore().upsert(random_walk("ZZZ", 700, 9))
    arguments = ["predict", "--instrument", "ZZZ", "--timeframe", "1d", "--model", "small"]
    assert run(capsys, *arguments)["segment"] == "unknown"
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "trained without ZZZ" in said
    assert "IN SAMPLE" not in said


def test_a_record_counts_the_models_own_test_bars(home, capsys, walk_bundle):
    from core.review.own_record import find_record, load_record

    found = run(capsys, "record", "--model", "small", "--step", "20")
    path = find_record(home, walk_bundle)
    assert str(path) == found["file"]
    rows = load_record(path, walk_bundle).rows
    assert len(rows) == found["rows"] > 20
    assert rows["ts"].min() >= walk_bundle.borders.calibrate_end
    said = run(capsys, *PREDICT, "--model", "small", "--at", f"{rows['ts'].iloc[0]:%Y-%m-%d}")
    first = rows[(rows["task"] == "direction") & (rows["instrument"] == "AAA")].iloc[0]
    assert said["tasks"]["direction"]["confidence"] == pytest.approx(first["confidence"], abs=1e-4)


def test_train_writes_a_bundle_that_evaluate_scores_alike(home, capsys):
    trained = run(capsys, "train", "--name", "tiny", *[f"--set={setting}" for setting in TINY])
    assert not (home / "runs" / "tiny").exists()
    scored = run(capsys, "evaluate", "--model", "tiny")
    stored = trained["metrics"]["segments"]["test"]
    for task in ("direction", "volatility", "regime"):
        now = scored["tasks"][task]
        assert now["rows"] == stored[task]["rows"] > 100
        assert {"accuracy", "macro_f1", "mcc", "log_loss"} <= set(now["model"])
        assert set(now["baselines"]) == {"prior", "persistence", "line", "logistic"}
        for score in ("accuracy", "log_loss"):
            assert now["model"][score] == pytest.approx(stored[task]["model"][score], abs=1e-4)
            for name, values in now["baselines"].items():
                assert values[score] == pytest.approx(stored[task]["baselines"][name][score], abs=1e-4)
    assert scored["out_of_sample"]
    assert "tiny" in [entry["name"] for entry in run(capsys, "models")["models"]]


def test_an_evaluation_that_reaches_into_training_says_so(home, walk_bundle, walk_store):
    from dataclasses import replace

    flat = {"prior": {"shares": [1 / 3] * 3}}
    bundle = replace(walk_bundle, baselines={task.name: flat for task in walk_bundle.config.tasks})
    start = bundle.borders.train_end - (bundle.borders.calibrate_end - bundle.borders.train_end)
    result = evaluate(Predictor(bundle, walk_store), start=start, instrument="AAA")
    assert not result.out_of_sample
    assert result.segments["train"] > 0
    assert "helped to make the model" in show_evaluation(result.to_dict())
    assert result.instruments == ["AAA"]
    entry = result.tasks["direction"].baselines["prior"]
    assert entry["log_loss"] == pytest.approx(np.log(3), abs=1e-9)


def test_a_range_of_a_few_bars_keeps_its_last_labels_and_says_what_waits(home, walk_bundle, walk_store):
    from dataclasses import replace

    flat = {"prior": {"shares": [1 / 3] * 3}}
    bundle = replace(walk_bundle, baselines={task.name: flat for task in walk_bundle.config.tasks})
    predictor, ts = Predictor(bundle, walk_store), walk_store.read_range("AAA", "1d")["ts"]
    inside = evaluate(predictor, ts.iloc[-40], ts.iloc[-33], "AAA")
    assert inside.tasks["direction"].rows == 8
    assert inside.undecided == {}
    last = evaluate(predictor, ts.iloc[-20], None, "AAA")
    horizon, lead = bundle.config.labels.horizon, bundle.config.labels.regime_lead
    assert last.tasks["direction"].rows == 20 - horizon
    assert last.undecided == {"AAA|1d": max(horizon, lead)}
    assert "bars that decide their outcome are not stored" in show_evaluation(last.to_dict())


def test_a_walk_forward_calls_better_only_what_holds_with_all_comparisons_counted():
    scores = {key: {"value": 0.5} for key in ("accuracy", "macro_f1", "mcc", "log_loss", "ece")}
    beside = {
        name: scores | {"model_minus_baseline": {"value": value, "low": value - 0.01, "high": -0.001, "p": p}}
        for name, value, p in (("prior", -0.2, 0.001), ("har", -0.012, 0.03), ("logistic", -0.01, 0.04))
    }
    entry = {"pooled": {"rows": 100, "model": scores, "baselines": beside}}
    said = show_walk_forward({"folds": 3, "folder": "x", "summary": {"direction": entry}})
    lines = {line.split()[1]: line for line in said.splitlines() if line.strip().startswith("direction")}
    assert lines["prior"].endswith("better")
    assert lines["har"].endswith(lines["logistic"][-19:])
    assert lines["har"].endswith("no difference shown")
    assert "Holm" in said


def test_ingest_reports_and_lists(home, capsys, tmp_path):
    bars = random_walk("CCC", 400, 4).drop(columns=["instrument", "timeframe"])
    bars.to_csv(tmp_path / "ccc.csv", index=False)
    report = run(capsys, "ingest", str(tmp_path / "ccc.csv"), "--instrument", "CCC")
    assert report["files"][0]["inserted"] == 400
    series = run(capsys, "series")["series"]
    assert {"instrument": "CCC", "timeframe": "1d"}.items() <= next(
        entry for entry in series if entry["instrument"] == "CCC"
    ).items()
    assert "skipped" in run(capsys, "ingest", "--bundled", "--if-empty")


def test_ingest_takes_each_file_of_a_zip_and_what_the_user_says_of_columns(home, capsys, tmp_path):
    path = tmp_path / "both.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, seed in (("EEE.csv", 5), ("FFF.csv", 6)):
            bars = random_walk(name, 60, seed).drop(columns=["instrument", "timeframe"])
            archive.writestr(name, bars.rename(columns={"close": "fixing"}).to_csv(index=False))
    assert main(["ingest", str(path)]) == 2
    assert "--column close=NAME" in capsys.readouterr().err
    report = run(capsys, "ingest", str(path), "--column", "close=fixing")
    assert [(file["name"], file["inserted"]) for file in report["files"]] == [
        ("EEE.csv", 60),
        ("FFF.csv", 60),
    ]


def test_output_for_people_is_text(home, capsys):
    assert main(["predict", "--instrument", "AAA", "--timeframe", "1d", "--model", "small"]) == 0
    assert "direction" in capsys.readouterr().out
    assert main(["series"]) == 0
    assert "AAA" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["predict", "--instrument", "AAB", "--timeframe", "1d", "--model", "small"], "AAB"),
        (["predict", "--instrument", "AAA", "--timeframe", "1y", "--model", "small"], "timeframe"),
        (["predict", "--instrument", "AAA", "--timeframe", "1d", "--at", "soon", "--model", "small"], "soon"),
        (
            ["predict", "--instrument", "AAA", "--timeframe", "1d", "--at", "2005-01-10", "--model", "small"],
            "300",
        ),
        (["predict", "--instrument", "AAA", "--timeframe", "1d", "--model", "nobody"], "nobody"),
        (["train", "--set", "training.epohcs=3"], "epochs"),
        (["train", "--set", "training.epochs=many"], "training.epochs"),
        (["train", "--name", "../up"], "model name"),
        (["train", "--config", "nowhere.yaml"], "nowhere.yaml"),
        (["ingest", "nowhere.csv"], "nowhere.csv"),
        (["ingest"], "PATH"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_two(home, capsys, arguments, said):
    assert said in refuse(capsys, *arguments)


def test_a_corrupt_bundle_is_refused_from_the_command_line(home, capsys):
    shutil.copy(home / "models" / "small" / "bundle.json", home / "models" / "small" / "model.safetensors")
    error = refuse(capsys, "predict", "--instrument", "AAA", "--timeframe", "1d", "--model", "small")
    assert "SHA-256" in error


def test_times_without_an_offset_are_utc():
    assert parse_time("2013-03-01").isoformat() == "2013-03-01T00:00:00+00:00"
    assert parse_time("2013-03-01T02:00+02:00").isoformat() == "2013-03-01T00:00:00+00:00"
    with pytest.raises(InputError):
        parse_time("NaT")


def test_a_series_is_deleted_only_with_yes(home, capsys):
    with_yes = ("delete", "--instrument", "BBB", "--timeframe", "1d")
    assert main(list(with_yes)) == 2
    assert "--yes to delete BBB 1d, got none, and 1,400 bars of it stored" in capsys.readouterr().err
    assert run(capsys, *with_yes, "--yes") == {"instrument": "BBB", "timeframe": "1d", "deleted": 1400}
    assert [entry["instrument"] for entry in run(capsys, "series")["series"]] == ["AAA"]
    assert main([*with_yes, "--yes"]) == 2


def test_a_rehearsal_writes_nothing(home, capsys, tmp_path, walks):
    walks["AAA", "1d"].assign(instrument="CCC").to_csv(tmp_path / "ccc.csv", index=False)
    report = run(capsys, "ingest", "--rehearse", str(tmp_path / "ccc.csv"))
    assert (report["rehearsed"], report["files"][0]["inserted"]) == (True, 1400)
    assert len(run(capsys, "series")["series"]) == 2
