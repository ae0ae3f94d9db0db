"""What an idea or a setting is worth: train without it, compare on the same rows.

An ablation lives in a folder; arms that are finished are kept, so a killed one goes on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd

from core.baselines.measures import measure_series
from core.config import Config
from core.data.dataset import PreparedData, prepare
from core.data.inputs import BarsBySeries, select_series
from core.data.segments import CALIBRATE, TEST, TRAIN, SegmentBorders
from core.data.windows import LastBarWindows
from core.disk import digest_json, plain, write_arrays, write_json, write_text
from core.errors import ConfigError
from core.experiments.ablation.arms import ARMS, MEAN_OF, PER_SERIES, Arm, change_config, check_arms
from core.experiments.ablation.scores import ArmScore, Arrays, compare_forecasts, mean_forecast
from core.experiments.fitted_baselines import FoldBaselines
from core.progress import Progress
from core.training.members import train
from core.training.scoring import score_last_bars

BASELINES = ("prior", "persistence", "logistic", "lightgbm", "har")
"""Fitted beside the arms unless others are asked for."""

OUTPUTS, BESIDE = "outputs.npz", "baselines.npz"
_FORMAT = 2


def run_ablation(
    bars_by_series: BarsBySeries,
    config: Config,
    folder: Path,
    *,
    arms: Mapping[str, Arm] = ARMS,
    borders: SegmentBorders | None = None,
    baselines: Sequence[str] = BASELINES,
    test_step: int = 1,
    progress: Progress | None = None,
) -> list[ArmScore]:
    """Train every arm on the same segments and compare its test log-loss with the whole model's.

    Parameters
    ----------
    arms
        See `core.experiments.ablation.arms`.
    borders
        Segment borders; by default those of ``config.split``. Bars from the test segment's end on are not
        looked at.
    baselines
        Forecasters fitted and scored beside the arms, see
        `core.experiments.fitted_baselines.FoldBaselines`; ``prior`` is always among them.
    test_step
        Score every test_step-th bar of each series, in calibrate and in test.
    progress
        Called with (arms done, arms in all); the baselines count as one.

    Returns
    -------
    list of ArmScore
        Arm by arm in the order of `arms`, then the baselines.

    Raises
    ------
    ConfigError
        If `folder` holds another ablation, or an arm cannot be compared (see `check_arms`).
    """
    check_arms(arms, config)
    bars = _known_by(select_series(bars_by_series, config), borders)
    data = prepare(bars, config, borders)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    names = tuple({"prior": 0} | dict.fromkeys(baselines))
    _claim(folder, data, config, names, test_step)
    judged = _windows(data, config, test_step)
    trained = [name for name, arm in arms.items() if MEAN_OF not in arm]
    forecasts: dict[str, Arrays] = {}
    total = len(trained) + 1
    for done, name in enumerate(trained):
        if progress:
            progress(done, total)
        changed = change_config(config, arms[name])
        place = folder / arm_folder(name, arms[name])
        if not (place / OUTPUTS).is_file():
            mine = (
                data
                if changed.data == config.data
                else _prepared_anew(bars, changed, borders, judged, test_step)
            )
            write_arrays(
                place / OUTPUTS, _train_arm(mine, changed, place, test_step, arms[name]), compress=False
            )
        forecasts[name] = _read(place / OUTPUTS)
    if progress:
        progress(len(trained), total)
    for name, arm in arms.items():
        if MEAN_OF in arm:
            forecasts[name] = mean_forecast([forecasts[member] for member in arm[MEAN_OF]])
    path = folder / BESIDE
    if not path.is_file():
        write_arrays(path, _fit_baselines(bars, data, config, judged, names), compress=False)
    if progress:
        progress(total, total)
    forecasts = {name: forecasts[name] for name in arms}
    scores = compare_forecasts(forecasts, _read(path), judged, config)
    table = [asdict(score) | {"verdict": score.verdict} for score in scores]
    write_json(folder / "ablation.json", plain(table))
    return scores


def arm_folder(name: str, arm: Arm) -> str:
    """Where an arm's training is kept: by its settings too, so that changed ones are trained anew."""
    mark = digest_json(arm)[:8]
    return f"{re.sub(r'[^A-Za-z0-9.-]+', '_', name)}-{mark}"


def _known_by(bars: BarsBySeries, borders: SegmentBorders | None) -> dict[tuple[str, str], pd.DataFrame]:
    if borders is None or borders.test_end is None:
        return dict(bars)
    kept = {key: frame.loc[(frame["ts"] < borders.test_end).to_numpy()] for key, frame in bars.items()}
    return {key: frame.reset_index(drop=True) for key, frame in kept.items() if len(frame)}


def _claim(
    folder: Path, data: PreparedData, config: Config, baselines: Sequence[str], test_step: int
) -> None:
    content = [
        _FORMAT,
        data.fingerprint,
        data.borders.to_dict(),
        config.model_dump(mode="json"),
        list(baselines),
        test_step,
    ]
    mark = digest_json(content)
    path = folder / "fingerprint"
    if path.is_file() and path.read_text(encoding="utf-8") != mark:
        raise ConfigError(
            "a folder that holds this ablation or none", f"another in {folder}", "choose another"
        )
    write_text(path, mark)


def _windows(data: PreparedData, config: Config, step: int) -> dict[int, LastBarWindows]:
    """The windows every arm is judged on, by segment."""
    return {segment: LastBarWindows(data, segment, config, step) for segment in (CALIBRATE, TEST)}


def _prepared_anew(
    bars: BarsBySeries,
    config: Config,
    borders: SegmentBorders | None,
    judged: Mapping[int, LastBarWindows],
    step: int,
) -> PreparedData:
    data = prepare(bars, config, borders)
    for segment, windows in _windows(data, config, step).items():
        if not np.array_equal(windows.rows, judged[segment].rows):
            raise ConfigError(
                "arms that score the same bars", "other bars under other data settings", "drop the arm"
            )
    return data


def _train_arm(
    data: PreparedData, config: Config, folder: Path, step: int, arm: Arm
) -> dict[str, np.ndarray]:
    """Logits of every judged window, as ``task/segment`` (n, C)."""
    parts: list[dict[str, np.ndarray]] = []
    # With one series at a time, its rows come in the order they have among all.
    groups = [[series] for series in data.series] if arm.get(PER_SERIES) else [data.series]
    for group in groups:
        mine = replace(data, series=group)
        place = folder / group[0].key.replace("|", "_") if len(groups) > 1 else folder
        model = train(mine, config, place, progress=False).model
        logits = {}
        for segment, windows in _windows(mine, config, step).items():
            # A series may end before a segment starts.
            scored = score_last_bars(model, windows).tasks if len(windows) else {}
            logits |= {f"{task}/{segment}": outputs.logits for task, outputs in scored.items()}
        parts.append(logits)
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: np.concatenate([part[name] for part in parts if name in part]) for name in names}


def _fit_baselines(
    bars: BarsBySeries,
    data: PreparedData,
    config: Config,
    judged: Mapping[int, LastBarWindows],
    names: tuple[str, ...],
) -> dict[str, np.ndarray]:
    """Probabilities of the labelled test windows, as ``task/baseline`` (n, C)."""
    seen = (TRAIN, data.borders.stop_segment)
    windows = {segment: LastBarWindows(data, segment, config) for segment in seen} | dict(judged)
    fitted = FoldBaselines(names, data, config, windows, measure_series(bars, data, config), None)
    return {
        f"{task}/{name}": probabilities
        for task, found in fitted.probabilities.items()
        for name, probabilities in found.items()
    }


def _read(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}
