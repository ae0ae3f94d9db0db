"""The forecasters worth beating beside HAR: boosted trees, and the transformer without its ideas.

Shapes: n rows (the last bars of windows), N features, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from core.baselines.simple import NO_LABEL, BaselineRows, baseline_rows
from core.config import Config
from core.data.windows import LastBarWindows

LAGS = (1, 2, 3, 5, 10)
"""Bars back whose features the boosted trees see beside the last bar's."""

_GRID = ({"num_leaves": 7, "min_data_in_leaf": 200}, {"num_leaves": 31, "min_data_in_leaf": 50})
_MOST_ROUNDS = 1000
_PATIENCE = 50
_ROUNDS_WITHOUT_CALIBRATION = 100


@dataclass(frozen=True)
class BoostedTrees:
    """LightGBM on the last bar's features, those of `LAGS` bars before, and the series.

    Attributes
    ----------
    model
        LightGBM's own text format.
    classes
        C.
    rounds
        Trees per class, where the calibrate log-loss was lowest.
    leaves
        Per tree; the one of two settings with the lower calibrate log-loss.
    """

    model: str
    classes: int
    rounds: int
    leaves: int

    @classmethod
    def fit(cls, train: BaselineRows, calibrate: BaselineRows, num_classes: int) -> Self:
        """Boost on `train`, stop by the log-loss on `calibrate`; `lagged_rows` makes such rows.

        Single-threaded and seeded, so the same rows give the same trees. Without a label in the calibrate
        segment 100 rounds are taken.
        """
        import lightgbm

        rows = train.labelled()
        judged = calibrate.labels != NO_LABEL
        categorical = [rows.features.shape[1] - 1]
        best, lowest = None, np.inf
        for setting in _GRID[: None if judged.any() else 1]:
            parameters = {
                "objective": "multiclass",
                "num_class": num_classes,
                "learning_rate": 0.05,
                "feature_fraction": 0.7,
                "bagging_fraction": 0.7,
                "bagging_freq": 1,
                "lambda_l2": 1.0,
                "num_threads": 1,
                "deterministic": True,
                "force_row_wise": True,
                "seed": 0,
                "verbosity": -1,
                **setting,
            }
            fitted_on = lightgbm.Dataset(rows.features, rows.labels, categorical_feature=categorical)
            if judged.any():
                watched = lightgbm.Dataset(
                    calibrate.features[judged], calibrate.labels[judged], reference=fitted_on
                )
                booster = lightgbm.train(
                    parameters,
                    fitted_on,
                    _MOST_ROUNDS,
                    valid_sets=[watched],
                    callbacks=[lightgbm.early_stopping(_PATIENCE, verbose=False)],
                )
                loss = float(booster.best_score["valid_0"]["multi_logloss"])
                rounds = booster.best_iteration
            else:
                booster = lightgbm.train(parameters, fitted_on, _ROUNDS_WITHOUT_CALIBRATION)
                loss, rounds = 0.0, _ROUNDS_WITHOUT_CALIBRATION
            if loss < lowest:
                text = booster.model_to_string(num_iteration=rounds)
                best, lowest = cls(text, num_classes, rounds, setting["num_leaves"]), loss
        assert best is not None
        return best

    def predict(self, rows: BaselineRows) -> np.ndarray:
        """Class probabilities, (n, C)."""
        raw = np.asarray(self._booster.predict(rows.features, num_threads=1), dtype=np.float64)
        probabilities = np.clip(raw.reshape(len(rows.labels), self.classes), 1e-9, None)
        return probabilities / probabilities.sum(axis=1, keepdims=True)

    @cached_property
    def _booster(self) -> Any:
        # Reading the text takes longer than asking it of one bar.
        import lightgbm

        return lightgbm.Booster(model_str=self.model)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and LightGBM's text."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Self:
        """From plain numbers."""
        return cls(raw["model"], raw["classes"], raw["rounds"], raw["leaves"])


def lagged_rows(dataset: LastBarWindows, task: str, series: Sequence[str]) -> BaselineRows:
    """The rows of `dataset` with the features of `LAGS` bars before and, last, the series' number.

    A window is longer than the longest lag, or the lag stops at the window's first bar.

    Parameters
    ----------
    series
        Keys in the order they are numbered; any other is -1, which LightGBM takes for unknown.
    """
    numbers = {key: number for number, key in enumerate(series)}
    numbered = np.array([numbers.get(one.key, -1) for one in dataset.data.series], np.float32)
    rows = baseline_rows(dataset, task)
    reach = dataset.length - 1
    parts = [rows.features]
    for lag in LAGS:
        part = np.empty_like(rows.features)
        for which in np.unique(dataset.rows[:, 0]):
            mine = dataset.rows[:, 0] == which
            part[mine] = dataset.data.series[which].features[dataset.rows[mine, 1] - min(lag, reach)]
        parts.append(part)
    parts.append(numbered[dataset.rows[:, :1]])
    return BaselineRows(np.concatenate(parts, axis=1), rows.labels, rows.persistence)


def plain_config(config: Config) -> Config:
    """The same model, budget and seed without attention windows and temporal bias; one member."""
    plain = {"windows": [None] * len(config.model.windows), "temporal_bias": False, "members": 1}
    model = config.model.model_copy(update=plain)
    return config.model_copy(update={"model": model})
