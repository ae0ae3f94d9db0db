"""What each idea of the specification is worth: train without it, compare on the same test rows.

An ablation lives in a folder; arms that are finished are kept, so a killed one goes on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.config import Config, parse_config
from core.data.assembly import BarsBySeries
from core.data.dataset import PreparedData, prepare
from core.data.segments import TEST
from core.data.windows import LastBarWindows
from core.errors import ConfigError
from core.training.bootstrap import BlockBootstrap, block_length, label_span, mean_interval, paired_difference
from core.training.metrics import log_losses
from core.training.scoring import score_last_bars
from core.training.trainer import train
from core.training.walk_forward_results import plain, write_json

WHOLE = "whole model"
SEED = "another seed"
ARMS: dict[str, dict[str, dict[str, Any]]] = {
    WHOLE: {},
    "no temporal bias": {"model": {"temporal_bias": False}},
    "no windows": {"model": {"windows": [None, None, None, None]}},
    "no deep supervision": {"loss": {"auxiliary": 0.0}},
    "no feature gate": {"model": {"feature_gate": False}, "loss": {"gate_l1": 0.0}},
    "no calibration loss": {"loss": {"calibration": 0.0}},
    "one label a window": {"training": {"dense": False}},
    SEED: {"training": {"seed": 1}},
}
"""Settings changed in each arm. The last says how far two runs of the same thing lie apart."""

RESAMPLES = 1000


@dataclass(frozen=True)
class ArmScore:
    """One arm on one task.

    Attributes
    ----------
    rows
        Test bars scored.
    log_loss
        Mean over them, nats, softmax as it is.
    difference
        Mean log-loss of the arm minus the whole model's on the same rows; above zero the idea helps. Zero
        for the whole model.
    low, high
        95% paired block-bootstrap interval of the difference.
    """

    arm: str
    task: str
    rows: int
    log_loss: float
    difference: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """What the interval allows to say, in words.

        The interval is over bars, not over trainings: a difference smaller than another seed's says little.
        """
        if self.arm == WHOLE:
            return ""
        if self.arm == SEED:
            return "as far as seeds lie apart"
        if self.low > 0:
            return "helps"
        return "hurts" if self.high < 0 else "no difference shown"


def run_ablation(
    bars_by_series: BarsBySeries,
    config: Config,
    folder: Path,
    *,
    arms: Mapping[str, dict[str, dict[str, Any]]] = ARMS,
    test_step: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> list[ArmScore]:
    """Train every arm on the same segments and compare its test log-loss with the whole model's.

    Parameters
    ----------
    test_step
        Score every test_step-th bar of each series.
    progress
        Called with (arms done, arms in all).

    Raises
    ------
    ConfigError
        If `folder` holds another ablation, or there is no whole model to compare with.
    """
    if WHOLE not in arms:
        raise ConfigError(f"an arm called {WHOLE!r}", ", ".join(arms), "add it with no settings")
    data = prepare(bars_by_series, config)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _claim(folder, data, config, test_step)
    losses = {}
    for done, (name, settings) in enumerate(arms.items()):
        if progress:
            progress(done, len(arms))
        losses[name] = _arm_losses(
            data, _changed(config, settings), folder / name.replace(" ", "_"), test_step
        )
    if progress:
        progress(len(arms), len(arms))
    scores = _compare(losses, LastBarWindows(data, TEST, config, test_step), config)
    write_json(folder / "ablation.json", [asdict(score) | {"verdict": score.verdict} for score in scores])
    return scores


def _claim(folder: Path, data: PreparedData, config: Config, test_step: int) -> None:
    content = [data.fingerprint, config.model_dump(mode="json"), test_step]
    mark = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    path = folder / "fingerprint"
    if path.is_file() and path.read_text(encoding="utf-8") != mark:
        raise ConfigError(
            "a folder that holds this ablation or none", f"another in {folder}", "choose another"
        )
    path.write_text(mark, encoding="utf-8")


def _changed(config: Config, settings: Mapping[str, Mapping[str, Any]]) -> Config:
    raw = config.model_dump(mode="json")
    for section, values in settings.items():
        raw[section] |= values
    return parse_config(raw)


def _arm_losses(data: PreparedData, config: Config, folder: Path, step: int) -> dict[str, np.ndarray]:
    """Log-loss of every test row by task, NaN without a label; read where the arm is finished."""
    path = folder / "losses.json"
    if path.is_file():
        stored = json.loads(path.read_text(encoding="utf-8"))
        return {task: np.array(values, dtype=float) for task, values in stored.items()}
    result = train(data, config, folder, progress=False)
    scored = score_last_bars(result.model, LastBarWindows(data, TEST, config, step))
    losses = {}
    for task, outputs in scored.tasks.items():
        known = outputs.labels >= 0
        probabilities = outputs.probabilities[known].astype(np.float64)
        losses[task] = np.full(len(known), np.nan)
        losses[task][known] = log_losses(
            probabilities / probabilities.sum(axis=1, keepdims=True), outputs.labels[known]
        )
    write_json(path, {task: plain(values.tolist()) for task, values in losses.items()})
    return losses


def _compare(
    losses: Mapping[str, Mapping[str, np.ndarray]], windows: LastBarWindows, config: Config
) -> list[ArmScore]:
    series = windows.data.series
    times = np.array([series[which].ts[bar] for which, bar in windows.rows], "datetime64[us]")
    scores = []
    for task in config.tasks:
        whole = losses[WHOLE][task.name]
        known = np.isfinite(whole)
        if not known.any():
            continue
        ends = np.array(
            [series[which].ts[series[which].label_end[task.name][bar]] for which, bar in windows.rows[known]],
            "datetime64[us]",
        )
        span = label_span(times[known], ends)
        bootstrap = BlockBootstrap.over(
            times[known], block_length(times[known], span, whole[known]), RESAMPLES
        )
        for arm, by_task in losses.items():
            mine = by_task[task.name][known]
            found = (
                mean_interval(np.zeros(len(mine)), bootstrap)
                if arm == WHOLE
                else paired_difference(mine, whole[known], bootstrap)
            )
            scores.append(
                ArmScore(
                    arm, task.name, int(known.sum()), float(mine.mean()), found.value, found.low, found.high
                )
            )
    return scores
