"""Simple forecasters of the same rows, for every table the transformer stands in.

Shapes: n rows (the last bars of windows), N features, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

from core.config import TaskConfig
from core.data.windows import LastBarWindows
from core.errors import InputError

NO_LABEL = -1
COUNTED = ("prior", "persistence")
"""Baselines that are counts of the training labels, and have no temperature to fit."""

REGULARISATION = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Values of C tried for the logistic regression (inverse strength)."""

# exp(-12) of the likeliest class: a class never seen in training is nearly, not wholly, ruled out.
_UNSEEN_LOGIT = -12.0


@dataclass(frozen=True)
class BaselineRows:
    """What a baseline may look at, for one task.

    Attributes
    ----------
    features
        Of the last bar alone, on the 0..100 scale, (n, N).
    labels
        (n,) int64, -1 = none: left out of fitting.
    persistence
        Class by the label's rule on bars up to the row's, (n,) int64, -1 = unknown.
    direct
        Indices of the features that the task's direct path reads.
    """

    features: np.ndarray
    labels: np.ndarray
    persistence: np.ndarray
    direct: tuple[int, ...] = field(default=(), kw_only=True)

    def labelled(self) -> BaselineRows:
        """Only the rows with a label.

        Raises
        ------
        InputError
            If there is none.
        """
        known = self.labels != NO_LABEL
        if not known.any():
            raise InputError("rows with a label", "none", "move the split borders or check the label")
        kept = self.features[known], self.labels[known], self.persistence[known]
        return BaselineRows(*kept, direct=self.direct)

    def reading(self, columns: Sequence[int]) -> BaselineRows:
        """The same rows with some of the features alone."""
        return BaselineRows(self.features[:, list(columns)], self.labels, self.persistence)


class Baseline(Protocol):
    """A forecaster: fitted once, kept as plain numbers in a bundle, asked for probabilities."""

    @classmethod
    def fit(cls, train: BaselineRows, calibrate: BaselineRows, num_classes: int) -> Self:
        """Fit on `train`; `calibrate` may choose hyperparameters. Rows without a label are ignored."""
        ...

    def predict(self, rows: BaselineRows) -> np.ndarray:
        """Class probabilities of every row, labelled or not, (n, C) float64, all above 0."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON."""
        ...

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        ...


@dataclass(frozen=True)
class ClassPrior:
    """The class shares of the training rows (one row added per class), whatever the row.

    Attributes
    ----------
    shares
        (C,), summing to 1.
    """

    shares: list[float]

    @classmethod
    def fit(cls, train: BaselineRows, calibrate: BaselineRows, num_classes: int) -> Self:
        """Count the training labels."""
        counts = np.bincount(train.labelled().labels, minlength=num_classes) + 1
        return cls((counts / counts.sum()).tolist())

    def predict(self, rows: BaselineRows) -> np.ndarray:
        """The same for every row."""
        return np.tile(np.asarray(self.shares), (len(rows.labels), 1))

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Self:
        """From plain numbers."""
        return cls(raw["shares"])


@dataclass(frozen=True)
class Persistence:
    """Training shares of each label given the class that the rule finds in the past alone.

    Attributes
    ----------
    table
        (C + 1, C), rows summing to 1; row c is for past class c, the last for an unknown past. One row is
        added per class, spread as the class prior.
    """

    table: list[list[float]]

    @classmethod
    def fit(cls, train: BaselineRows, calibrate: BaselineRows, num_classes: int) -> Self:
        """Count training labels by past class."""
        rows = train.labelled()
        prior = np.asarray(ClassPrior.fit(train, calibrate, num_classes).shares)
        counts = np.tile(num_classes * prior, (num_classes + 1, 1))
        known = rows.persistence >= 0
        np.add.at(counts, (rows.persistence[known], rows.labels[known]), 1)
        return cls((counts / counts.sum(axis=1, keepdims=True)).tolist())

    def predict(self, rows: BaselineRows) -> np.ndarray:
        """The shares that belong to each row's past class."""
        return np.asarray(self.table)[rows.persistence]

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Self:
        """From plain numbers."""
        return cls(raw["table"])


@dataclass(frozen=True)
class Logistic:
    """Multinomial logistic regression on the last bar's features.

    Attributes
    ----------
    weights, intercept
        (C, N) and (C,), for features on the 0..100 scale; probabilities are the softmax of their logits.
    strength
        The C out of `REGULARISATION` with the lowest log-loss on the calibrate rows.
    """

    weights: list[list[float]]
    intercept: list[float]
    strength: float

    @classmethod
    def fit(cls, train: BaselineRows, calibrate: BaselineRows, num_classes: int) -> Self:
        """Fit on standardised training features for every strength and keep the best.

        Where the calibrate segment has no label, the middle strength is taken.
        """
        rows = train.labelled()
        scaler = StandardScaler().fit(rows.features)
        if len(np.unique(rows.labels)) == 1:
            flat = np.full(num_classes, _UNSEEN_LOGIT)
            flat[rows.labels[0]] = 0.0
            return cls(np.zeros((num_classes, rows.features.shape[1])).tolist(), flat.tolist(), 0.0)
        standardised = scaler.transform(rows.features)
        known = calibrate.labels != NO_LABEL
        strengths = REGULARISATION if known.any() else (REGULARISATION[len(REGULARISATION) // 2],)
        best, lowest = None, np.inf
        for strength in strengths:
            fitted = LogisticRegression(C=strength, max_iter=1000).fit(standardised, rows.labels)
            centre, spread = np.asarray(scaler.mean_), np.asarray(scaler.scale_)
            candidate = cls._from_fit(fitted, centre, spread, num_classes, strength)
            loss = 0.0
            if known.any():
                probabilities = candidate.predict(calibrate)[known]
                loss = log_loss(calibrate.labels[known], probabilities, labels=np.arange(num_classes))
            if loss < lowest:
                best, lowest = candidate, loss
        assert best is not None
        return best

    @classmethod
    def _from_fit(
        cls,
        fitted: LogisticRegression,
        centre: np.ndarray,
        spread: np.ndarray,
        num_classes: int,
        strength: float,
    ) -> Self:
        coefficients, intercepts = np.asarray(fitted.coef_), np.asarray(fitted.intercept_)
        if len(fitted.classes_) == 2:
            coefficients = np.stack([-coefficients[0] / 2, coefficients[0] / 2])
            intercepts = np.array([-intercepts[0] / 2, intercepts[0] / 2])
        weights = np.zeros((num_classes, coefficients.shape[1]))
        intercept = np.full(num_classes, _UNSEEN_LOGIT)
        weights[fitted.classes_] = coefficients / spread
        intercept[fitted.classes_] = intercepts - weights[fitted.classes_] @ centre
        return cls(weights.tolist(), intercept.tolist(), strength)

    def predict(self, rows: BaselineRows) -> np.ndarray:
        """Softmax of the linear logits."""
        logits = rows.features.astype(np.float64) @ np.asarray(self.weights).T + np.asarray(self.intercept)
        exponent = np.exp(np.maximum(logits - logits.max(axis=1, keepdims=True), -30.0))
        return exponent / exponent.sum(axis=1, keepdims=True)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Self:
        """From plain numbers."""
        return cls(raw["weights"], raw["intercept"], raw["strength"])


@dataclass(frozen=True)
class Line(Logistic):
    """Multinomial logistic regression on the inputs of the task's direct path alone.

    What the model starts from, and is meant never to fall behind.

    Attributes
    ----------
    columns
        Indices of the S features it reads; `weights` are (C, S).
    """

    columns: list[int] = field(default_factory=list)

    @classmethod
    def fit(cls, train: BaselineRows, calibrate: BaselineRows, num_classes: int) -> Self:
        """As `Logistic.fit`, on the features that ``train.direct`` names; needs at least one."""
        columns = list(train.direct)
        fitted = Logistic.fit(train.reading(columns), calibrate.reading(columns), num_classes)
        return cls(fitted.weights, fitted.intercept, fitted.strength, columns)

    def predict(self, rows: BaselineRows) -> np.ndarray:
        """Softmax of the linear logits."""
        return Logistic(self.weights, self.intercept, self.strength).predict(rows.reading(self.columns))

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Self:
        """From plain numbers."""
        return cls(raw["weights"], raw["intercept"], raw["strength"], raw["columns"])


class Baselines:
    """The baselines of every task; `Line` only where the task has direct inputs.

    Attributes
    ----------
    fitted
        Task -> baseline's name -> fitted baseline.
    """

    kinds: ClassVar[dict[str, type[Baseline]]] = {
        "prior": ClassPrior,
        "persistence": Persistence,
        "line": Line,
        "logistic": Logistic,
    }

    def __init__(self, fitted: Mapping[str, Mapping[str, Baseline]]) -> None:
        self.fitted = {task: dict(baselines) for task, baselines in fitted.items()}

    @classmethod
    def fit(cls, train: LastBarWindows, calibrate: LastBarWindows, tasks: Sequence[TaskConfig]) -> Self:
        """Fit every baseline for every task."""
        fitted = {}
        for task in tasks:
            rows = baseline_rows(train, task.name), baseline_rows(calibrate, task.name)
            kinds = {name: kind for name, kind in cls.kinds.items() if name != "line" or rows[0].direct}
            fitted[task.name] = {name: kind.fit(*rows, len(task.classes)) for name, kind in kinds.items()}
        return cls(fitted)

    def predict(self, dataset: LastBarWindows, task: str) -> dict[str, np.ndarray]:
        """Probabilities (n, C) by baseline, on the rows of `dataset`, in its order."""
        rows = baseline_rows(dataset, task)
        return {name: baseline.predict(rows) for name, baseline in self.fitted[task].items()}

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers by task and baseline, for JSON."""
        return {
            task: {name: baseline.to_dict() for name, baseline in baselines.items()}
            for task, baselines in self.fitted.items()
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Self:
        """The inverse of `to_dict`."""
        return cls(
            {
                task: {name: cls.kinds[name].from_dict(numbers) for name, numbers in baselines.items()}
                for task, baselines in raw.items()
            }
        )


def baseline_rows(dataset: LastBarWindows, task: str) -> BaselineRows:
    """The rows of `dataset` as baselines see them."""
    series = dataset.data.series
    width = len(dataset.data.feature_names)
    features = np.empty((len(dataset.rows), width), dtype=np.float32)
    for which in np.unique(dataset.rows[:, 0]):
        mine = dataset.rows[:, 0] == which
        features[mine] = series[which].features[dataset.rows[mine, 1]]
    direct = tuple(dataset.direct_columns(task))
    return BaselineRows(features, dataset.last_labels(task), dataset.last_persistence(task), direct=direct)
