"""MLflow tracking of runs: parameters, metrics and feature importance by epoch, files.

Tracking never stops a training: where MLflow is missing or its store cannot be reached, one warning is logged
and the run goes on untracked.
"""

from __future__ import annotations

import importlib.util
import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock
import lightning.pytorch as pl
from lightning.pytorch.callbacks import Checkpoint

from core.config import Config

EXPERIMENT = "lookback"

# MLflow reports usage to its makers and waits minutes for a server that is down, unless told otherwise.
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}
_LOGGERS = ("mlflow", "alembic", "urllib3")
_MOST_PARAMETERS = 100

logger = logging.getLogger(__name__)


class TrackedRun:
    """One run; every method does nothing once the store has failed.

    Parameters
    ----------
    client, run_id
        MLflow's client and the run, or None for an untracked run.
    """

    def __init__(self, client: Any = None, run_id: str | None = None) -> None:
        self._client = client
        self.run_id = run_id

    @property
    def active(self) -> bool:
        """Whether anything is recorded."""
        return self._client is not None

    def log_config(self, config: Config) -> None:
        """Every hyperparameter under its dotted name, and the configuration as a file."""
        raw = config.model_dump(mode="json")

        def write(client: Any) -> None:
            from mlflow.entities import Param

            parameters = [Param(key, str(value)[:500]) for key, value in _flatten(raw)]
            for first in range(0, len(parameters), _MOST_PARAMETERS):
                client.log_batch(self.run_id, params=parameters[first : first + _MOST_PARAMETERS])
            client.log_dict(self.run_id, raw, "config.json")

        self._attempt(write)

    def log_metrics(self, metrics: Mapping[str, float | None], step: int = 0) -> None:
        """Numbers by name; None and NaN are left out."""
        kept = {
            name: float(value)
            for name, value in metrics.items()
            if value is not None and math.isfinite(value)
        }

        def write(client: Any) -> None:
            from mlflow.entities import Metric

            now = int(time.time() * 1000)
            client.log_batch(
                self.run_id, metrics=[Metric(_name(key), value, now, step) for key, value in kept.items()]
            )

        if kept:
            self._attempt(write)

    def log_artifact(self, path: Path) -> None:
        """A file, or a folder and all in it."""

        def write(client: Any) -> None:
            if Path(path).is_dir():
                client.log_artifacts(self.run_id, str(path), Path(path).name)
            else:
                client.log_artifact(self.run_id, str(path))

        self._attempt(write)

    def finish(self, status: str = "FINISHED") -> None:
        """Close the run as FINISHED, FAILED or KILLED."""
        self._attempt(lambda client: client.set_terminated(self.run_id, status))

    def _attempt(self, write: Callable[[Any], None]) -> None:
        if self._client is None:
            return
        try:
            write(self._client)
        # Whatever a store raises (SQL, HTTP, file system), a training must outlive it.
        except Exception as error:
            self._client = None
            logger.warning("MLflow stopped recording (%s); the run goes on untracked", _first_line(error))


class EpochTracker(Checkpoint):
    """Sends every epoch's losses and feature importance to a tracked run.

    Parameters
    ----------
    names
        Of the features, in the model's order.
    prefix
        Put before every metric's name.

    Notes
    -----
    A `Checkpoint` because Lightning calls those after the module has written the epoch's line; others before.
    """

    def __init__(self, run: TrackedRun, names: tuple[str, ...], prefix: str = "") -> None:
        self._run, self._names, self._prefix = run, names, prefix

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the line the module has just written."""
        history: list[dict[str, float]] = getattr(pl_module, "history", [])
        importance: list[list[float]] = getattr(pl_module, "importance", [])
        if not trainer.is_global_zero or not history or not importance:
            return
        line = {f"{self._prefix}{name}": value for name, value in history[-1].items() if name != "epoch"}
        weights = zip(self._names, importance[-1], strict=True)
        line |= {f"{self._prefix}importance/{name}": value for name, value in weights}
        self._run.log_metrics(line, step=int(history[-1]["epoch"]))


@contextmanager
def track_run(
    home: Path | None,
    name: str,
    config: Config,
    tags: Mapping[str, str] | None = None,
    run_id: str | None = None,
) -> Iterator[TrackedRun]:
    """Record one run for as long as the block lasts; an exception marks it FAILED and goes on.

    Parameters
    ----------
    home
        Its ``mlflow/mlflow.db`` and ``mlflow/artifacts`` are the store, unless MLFLOW_TRACKING_URI names
        another. None records nothing.
    run_id
        Go on with this run, of an interrupted process, where the store still has it.
    """
    run = TrackedRun() if home is None else _open_run(Path(home), name, tags or {}, run_id)
    if run.run_id != run_id or run_id is None:
        run.log_config(config)
    try:
        yield run
    except BaseException as error:
        run.finish("FAILED" if isinstance(error, Exception) else "KILLED")
        raise
    run.finish()


def tracking_uri(home: Path) -> str:
    """MLFLOW_TRACKING_URI where it is set, else SQLite in the home folder."""
    return (
        os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path(home).resolve() / 'mlflow' / 'mlflow.db'}"
    )


def count_runs(home: Path) -> int:
    """Runs ever tracked, deleted ones too; 0 where there is no store or it cannot be read."""
    uri = tracking_uri(home)
    database = uri.removeprefix("sqlite:///")
    if importlib.util.find_spec("mlflow") is None or (database != uri and not Path(database).is_file()):
        return 0
    for key, value in _ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    try:
        from mlflow import MlflowClient
        from mlflow.entities import ViewType

        client, count, token = MlflowClient(uri), 0, None
        experiments = [one.experiment_id for one in client.search_experiments(view_type=ViewType.ALL)]
        while True:
            page = client.search_runs(experiments, run_view_type=ViewType.ALL, page_token=token)
            count, token = count + len(page), page.token
            if not token:
                return count
    # A store may fail in as many ways as there are stores; see `TrackedRun._attempt`.
    except Exception as error:
        logger.warning("MLflow's store at %s cannot be read (%s)", uri, _first_line(error))
        return 0


def _open_run(home: Path, name: str, tags: Mapping[str, str], run_id: str | None) -> TrackedRun:
    if importlib.util.find_spec("mlflow") is None:
        logger.warning("MLflow is not installed; the run goes on untracked")
        return TrackedRun()
    for key, value in _ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    uri = tracking_uri(home)
    try:
        # Seconds to import, and only training pays them.
        from mlflow import MlflowClient

        for noisy in _LOGGERS:
            logging.getLogger(noisy).setLevel(logging.WARNING)
        if uri.startswith("sqlite:///"):
            _make_tables(Path(uri.removeprefix("sqlite:///")))
        client = MlflowClient(uri)
        experiment = _experiment(client, home, uri)
        if run_id is not None and _continue(client, run_id):
            return TrackedRun(client, run_id)
        started = client.create_run(experiment, run_name=name, tags=dict(tags))
        return TrackedRun(client, started.info.run_id)
    # A store may fail in as many ways as there are stores; see `TrackedRun._attempt`.
    except Exception as error:
        logger.warning(
            "MLflow's store at %s cannot be used (%s); the run goes on untracked", uri, _first_line(error)
        )
        return TrackedRun()


def _make_tables(database: Path) -> None:
    """Build the store aside and rename it: two processes at once, or a kill, would leave half of it."""
    from mlflow import MlflowClient

    database.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(database.with_name(f".{database.name}.lock")):
        if database.is_file():
            return
        staging = database.with_name(f".{database.name}.new")
        staging.unlink(missing_ok=True)
        MlflowClient(f"sqlite:///{staging}").search_experiments()
        staging.replace(database)


def _experiment(client: Any, home: Path, uri: str) -> str:
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is not None:
        return found.experiment_id
    local = "MLFLOW_TRACKING_URI" not in os.environ and uri.startswith("sqlite:///")
    artifacts = (home.resolve() / "mlflow" / "artifacts").as_uri() if local else None
    from mlflow.exceptions import MlflowException

    try:
        return client.create_experiment(EXPERIMENT, artifact_location=artifacts)
    except MlflowException:
        # Another process was first.
        found = client.get_experiment_by_name(EXPERIMENT)
        if found is None:
            raise
        return found.experiment_id


def _continue(client: Any, run_id: str) -> bool:
    from mlflow.exceptions import MlflowException

    try:
        client.update_run(run_id, status="RUNNING")
    except MlflowException:
        return False
    return True


def _flatten(raw: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in raw.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _name(metric: str) -> str:
    return "".join(c if c.isalnum() or c in "_-./ " else "_" for c in metric)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
