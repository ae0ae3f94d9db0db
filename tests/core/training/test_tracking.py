import logging
import math
import subprocess
import sys

import pytest

from core.training import tracking
from core.training.tracking import EXPERIMENT, TrackedRun, count_runs, track_run, tracking_uri
from tests.conftest import small_config


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home folder whose store exists: making the tables takes seconds."""
    home = tmp_path_factory.mktemp("home")
    with track_run(home, "first", small_config()) as run:
        assert run.active
    return home


@pytest.fixture
def client(home):
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri(home))


def test_a_run_keeps_configuration_metrics_and_files(home, client, tmp_path):
    file = tmp_path / "rows.txt"
    file.write_text("rows")
    with track_run(home, "one", small_config(), {"kind": "test"}) as run:
        run.log_metrics({"loss": 1.5, "unknown": None, "broken": math.nan}, step=0)
        run.log_metrics({"loss": 1.25, "importance/rsi(14)": 2.0}, step=1)
        run.log_artifact(file)
        run.log_artifact(tmp_path)
    kept = client.get_run(run.run_id)
    assert kept.info.status == "FINISHED"
    assert kept.data.metrics == {"loss": 1.25, "importance/rsi_14_": 2.0}
    assert [point.value for point in client.get_metric_history(run.run_id, "loss")] == [1.5, 1.25]
    assert kept.data.params["training.learning_rate"] == "0.0003"
    assert kept.data.tags["kind"] == "test"
    assert {part.path for part in client.list_artifacts(run.run_id)} == {
        "config.json",
        "rows.txt",
        tmp_path.name,
    }
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment.artifact_location == (home / "mlflow" / "artifacts").as_uri()


def test_an_interrupted_run_is_gone_on_with(home, client):
    runs = []

    def lose_power():
        with track_run(home, "again", small_config()) as run:
            runs.append(run)
            run.log_metrics({"loss": 2.0}, step=0)
            raise RuntimeError("power")

    with pytest.raises(RuntimeError, match="power"):
        lose_power()
    (first,) = runs
    assert client.get_run(first.run_id).info.status == "FAILED"
    with track_run(home, "again", small_config(), run_id=first.run_id) as second:
        second.log_metrics({"loss": 1.0}, step=1)
    assert second.run_id == first.run_id
    assert client.get_run(first.run_id).info.status == "FINISHED"
    assert len(client.get_metric_history(first.run_id, "loss")) == 2
    with track_run(home, "again", small_config(), run_id="0" * 32) as third:
        assert third.run_id not in (first.run_id, "0" * 32)


def test_every_run_is_counted_a_deleted_one_too(home, client, tmp_path):
    before = count_runs(home)
    assert before >= 1
    with track_run(home, "counted", small_config()) as run:
        pass
    client.delete_run(run.run_id)
    assert count_runs(home) == before + 1
    assert count_runs(tmp_path / "nobody") == 0


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "sqlite:////proc/none/mlflow.db", "nonsense://x"])
def test_an_unreachable_store_is_a_warning_and_the_run_goes_on(uri, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with caplog.at_level(logging.WARNING), track_run(tmp_path, "lost", small_config()) as run:
        run.log_metrics({"loss": 1.0})
        assert not run.active
    assert "untracked" in caplog.text


def test_processes_that_start_together_share_one_whole_store(tmp_path):
    script = (
        "import sys; from core.training.tracking import track_run; from tests.conftest import small_config\n"
        "with track_run(sys.argv[1], 'both', small_config()) as run: assert run.active"
    )
    started = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path)]) for _ in range(2)]
    assert [process.wait() for process in started] == [0, 0]


def test_a_store_that_fails_midway_is_a_warning_once(caplog):
    class Failing:
        def __getattr__(self, name):
            raise OSError("disk full")

    run = TrackedRun(Failing(), "id")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            run.log_metrics({"loss": 1.0})
        run.finish()
    assert caplog.text.count("disk full") == 1


def test_without_mlflow_training_goes_on(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(tracking.importlib.util, "find_spec", lambda name: None)
    with caplog.at_level(logging.WARNING), track_run(tmp_path, "none", small_config()) as run:
        assert not run.active
    assert "not installed" in caplog.text


def test_no_home_records_nothing_and_says_nothing(caplog):
    with track_run(None, "none", small_config()) as run:
        run.log_metrics({"loss": 1.0})
        assert not run.active
    assert not caplog.text


def test_the_environment_names_the_store(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking_uri(tmp_path) == f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking:5000")
    assert tracking_uri(tmp_path) == "http://tracking:5000"
