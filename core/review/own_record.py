"""What one model itself said of its own test bars, and what came: the record its confidence stands beside."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa

from core.baselines.measures import measure_series
from core.bundle import Bundle
from core.config import ASSETS
from core.data.segments import TEST
from core.data.windows import LastBarWindows
from core.errors import InputError, WindowError
from core.experiments.walk_forward.records import WalkForwardResult
from core.experiments.walk_forward.results import write_parquet
from core.experiments.walk_forward.rows import build_rows
from core.explain.evidence.sample import known_series
from core.predictor import Predictor
from core.progress import Progress
from core.training.evaluation import gather_series
from core.training.scoring import score_with_confidence

FOLDER = "records"
COMMAND = "python -m core record"


class RecordError(InputError):
    """A record that is damaged."""


def record_path(folder: Path, bundle: Bundle) -> Path:
    """The file of this very model, its calibrators included, since they state the confidence."""
    return Path(folder) / FOLDER / f"{bundle.version}.parquet"


def find_record(home: Path, bundle: Bundle) -> Path | None:
    """The file measured here, else the shipped one; None where nobody measured it."""
    paths = record_path(home, bundle), record_path(ASSETS, bundle)
    return next((path for path in paths if path.is_file()), None)


def measure_record(predictor: Predictor, *, step: int = 1, progress: Progress | None = None) -> pd.DataFrame:
    """Score every `step`-th labelled test bar of every series the model was given, as live prediction does.

    Returns
    -------
    DataFrame
        Rows as a walk-forward has them (`core.experiments.walk_forward.rows.build_rows`), fold 0.

    Raises
    ------
    InputError
        If `step` is below 1.
    WindowError
        If there is no such bar.
    """
    if step < 1:
        raise InputError("a step of at least one bar", str(step), "raise it")
    bundle = predictor.bundle
    series = [one for one in known_series(predictor) if one.key in bundle.seen.given]
    data = gather_series(bundle, series)
    windows = LastBarWindows(data, TEST, bundle.config, step)
    if not len(windows):
        raise WindowError(
            f"labelled bars from {bundle.borders.calibrate_end:%Y-%m-%d} on of a series the model knows",
            "none",
            "ingest newer bars of them",
        )
    bars = {
        (one.instrument, one.timeframe): predictor.store.read_range(one.instrument, one.timeframe)
        for one in series
    }
    measures = measure_series(bars, data, bundle.config)
    scores = score_with_confidence(bundle.model, windows, bundle.reference, progress=progress)
    return build_rows(0, data, bundle.config, scores, bundle.confidence, measures)


def save_record(rows: pd.DataFrame, home: Path, bundle: Bundle) -> Path:
    """Write the record to the home folder; readers see the old file or the new one."""
    path = record_path(home, bundle)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_parquet(path, rows)
    return path


def load_record(path: Path, bundle: Bundle) -> WalkForwardResult:
    """Read a record, as a walk-forward without folds.

    Raises
    ------
    RecordError
        If the file is damaged.
    """
    try:
        rows = pd.read_parquet(path)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise RecordError(
            "the rows of a record", f"{path} ({str(error).splitlines()[0]})", f"measure it again: {COMMAND}"
        ) from None
    return WalkForwardResult(rows, rows.iloc[:0], [], bundle.config, summary={}, plan={})
