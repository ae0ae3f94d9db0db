"""What simpler forecasters say where a served model speaks: fitted on its segments, kept as plain numbers.

Shapes: C classes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.baselines.measures import measure_series, measure_volatility
from core.bundle import Bundle
from core.config import ASSETS, TaskConfig
from core.data.segments import CALIBRATE, TRAIN
from core.data.windows import ChosenWindows, LastBarWindows
from core.disk import plain, write_json
from core.errors import InputError, WindowError
from core.experiments.fitted_baselines import MOST_ROWS
from core.experiments.forecasters import Forecaster
from core.explain.evidence.sample import known_series
from core.prediction import TaskPrediction
from core.predictor import Predictor
from core.progress import Progress
from core.training.evaluation import gather_series

FOLDER = "challengers"
COMMAND = "python -m core challengers"
FORMAT_VERSION = 1


class ChallengersError(InputError):
    """Challengers that are damaged or of another format."""


@dataclass(frozen=True)
class Split:
    """A model's calibrated probabilities of one task beside a challenger's, at one bar.

    Attributes
    ----------
    challenger
        Its name, as `name_challengers` has it.
    theirs, ours
        (C,), each summing to 1, in the order of `classes`.
    """

    task: str
    classes: tuple[str, ...]
    challenger: str
    theirs: np.ndarray
    ours: np.ndarray

    @property
    def their_call(self) -> str:
        """The challenger's most probable class."""
        return self.classes[int(self.theirs.argmax())]

    @property
    def calls_differ(self) -> bool:
        """Whether the two hold another class most probable."""
        return int(self.theirs.argmax()) != int(self.ours.argmax())

    @property
    def apart(self) -> float:
        """The largest difference of a class's two probabilities."""
        return float(np.abs(self.ours - self.theirs).max())

    def added(self, target: str) -> float:
        """What the model's probability of a class is beyond the challenger's, in [-1, 1]."""
        index = self.classes.index(target)
        return float(self.ours[index] - self.theirs[index])


@dataclass(frozen=True)
class Challengers:
    """The challengers of one model.

    Attributes
    ----------
    version
        Of the model, calibrators included.
    rows
        Training bars they were fitted on.
    fitted
        Task -> name -> forecaster, in the order of `name_challengers`.
    """

    version: str
    rows: int
    fitted: dict[str, dict[str, Forecaster]]

    def ask(
        self, predictor: Predictor, instrument: str, timeframe: str, at: pd.Timestamp
    ) -> dict[str, dict[str, np.ndarray]]:
        """Their class probabilities at the stored bar that opens at `at`, by task and name, each (C,).

        Every input comes from that bar and earlier ones, as the model's does.

        Raises
        ------
        WindowError
            If there is no such bar, or no whole window before it.
        """
        series = predictor.label_range(instrument, timeframe, at, at)
        bars = predictor.store.read_window(instrument, timeframe, at, len(series.ts))
        data = gather_series(predictor.bundle, [series])
        windows = ChosenWindows(data, predictor.bundle.config, np.array([[0, len(series.ts) - 1]]))
        measures = [measure_volatility(bars, predictor.bundle.config)]
        return {
            task: {name: one.predict(windows, measures)[0] for name, one in named.items()}
            for task, named in self.fitted.items()
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        tasks = {
            task: {name: one.to_dict() for name, one in named.items()} for task, named in self.fitted.items()
        }
        head = {"format_version": FORMAT_VERSION, "version": self.version, "rows": self.rows}
        return head | {"tasks": plain(tasks)}


def name_challengers(task: TaskConfig) -> tuple[str, str]:
    """The plain challenger of a task, which its calls are split by, and the strong one."""
    return "har" if task.label == "volatility" else "logistic", "lightgbm"


def split_call(prediction: TaskPrediction, theirs: Mapping[str, np.ndarray]) -> list[Split]:
    """A task's prediction beside what `Challengers.ask` said of the same bar, the plain challenger first."""
    return [
        Split(prediction.task, prediction.classes, name, np.asarray(shares), np.asarray(prediction.shares))
        for name, shares in theirs.items()
    ]


def fit_challengers(predictor: Predictor, progress: Progress | None = None) -> Challengers:
    """Fit on the model's train segment, choose on stop, fit temperatures on calibrate.

    Of what is stored of the series the model was given.

    Raises
    ------
    WindowError
        If no labelled bar of the train segment is stored.
    """
    bundle = predictor.bundle
    series = [one for one in known_series(predictor) if one.key in bundle.seen.given]
    data, config = gather_series(bundle, series), bundle.config
    whole = LastBarWindows(data, TRAIN, config) if series else []
    if not len(whole):
        raise WindowError(
            f"labelled bars before {bundle.borders.train_end:%Y-%m-%d} of a series the model was trained on",
            "none",
            "ingest the bars it was trained on",
        )
    step = -(-len(whole) // MOST_ROWS)
    train = LastBarWindows(data, TRAIN, config, step)
    choice, calibrate = (
        LastBarWindows(data, segment, config) for segment in (bundle.borders.stop_segment, CALIBRATE)
    )
    bars = {
        (one.instrument, one.timeframe): predictor.store.read_range(one.instrument, one.timeframe)
        for one in series
    }
    measures = measure_series(bars, data, config)
    wanted = [(task, name) for task in config.tasks for name in name_challengers(task)]
    fitted: dict[str, dict[str, Forecaster]] = {task.name: {} for task in config.tasks}
    for done, (task, name) in enumerate(wanted):
        if progress:
            progress(done, len(wanted))
        one = Forecaster.fit(name, task, train, choice, measures)
        if len(calibrate):
            said = one.log_probabilities(calibrate, measures)
            one = one.tempered(said, calibrate.last_labels(task.name))
        fitted[task.name][name] = one
    if progress:
        progress(len(wanted), len(wanted))
    return Challengers(bundle.version, len(train), fitted)


def challengers_path(folder: Path, bundle: Bundle) -> Path:
    """The file of this very model."""
    return Path(folder) / FOLDER / f"{bundle.version}.json"


def find_challengers(home: Path, bundle: Bundle) -> Path | None:
    """The file fitted here, else the shipped one; None where nobody fitted any."""
    paths = challengers_path(home, bundle), challengers_path(ASSETS, bundle)
    return next((path for path in paths if path.is_file()), None)


def save_challengers(found: Challengers, folder: Path, bundle: Bundle) -> Path:
    """Write to ``folder/challengers``; readers see the old file or the new one."""
    path = challengers_path(folder, bundle)
    write_json(path, found.to_dict())
    return path


def load_challengers(path: Path, bundle: Bundle) -> Challengers:
    """Read what `save_challengers` wrote for `bundle`.

    Raises
    ------
    ChallengersError
        If the file is damaged, of another format, or of another model.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if (raw["format_version"], raw["version"]) != (FORMAT_VERSION, bundle.version):
            raise ValueError("another format or model")
        fitted = {
            task.name: {
                name: Forecaster.from_dict(name, task, stored)
                for name, stored in raw["tasks"][task.name].items()
            }
            for task in bundle.config.tasks
        }
        return Challengers(raw["version"], int(raw["rows"]), fitted)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        why = str(error).splitlines()[0]
        raise ChallengersError(
            f"challengers of model version {bundle.version}", f"{path} ({why})", f"fit them again: {COMMAND}"
        ) from None
