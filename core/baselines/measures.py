"""What baselines and rows of a fold need beside its prepared data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.config import Config, TaskConfig
from core.data.bars import adjust_prices
from core.data.dataset import PreparedData
from core.data.inputs import BarsBySeries, label_columns
from core.data.labels.assign import LABEL_CLASSES, assign_labels, persistence_labels
from core.data.labels.borders import fit_thresholds
from core.data.labels.measure import TargetQuantities, measure_targets
from core.data.labels.past import PastQuantities, measure_past
from core.data.segments import bars_in_train


@dataclass(frozen=True)
class SeriesMeasures:
    """Of one series of T bars.

    Attributes
    ----------
    quantities
        What its labels are cut from.
    past
        The same rules on bars up to each.
    regime_now
        0 Trending, 1 Ranging, 2 Volatile by the rule on bars up to each, -1 unknown, (T,).
    labels_ahead
        Regime task -> class of the bars wholly after each, -1 unknown, (T,).
    """

    quantities: TargetQuantities
    past: PastQuantities
    regime_now: np.ndarray
    labels_ahead: dict[str, np.ndarray]


def measure_volatility(frame: pd.DataFrame, config: Config) -> SeriesMeasures:
    """Of one series' bars what HAR needs; nothing of its regimes is known."""
    adjusted = adjust_prices(frame)
    quantities = measure_targets(adjusted, config.labels, label_columns(config))
    unknown = np.full(len(adjusted), -1)
    return SeriesMeasures(quantities, measure_past(adjusted, config.labels), unknown, {})


def measure_series(bars: BarsBySeries, data: PreparedData, config: Config) -> list[SeriesMeasures]:
    """Measures of every series, in the order of ``data.series``."""
    regime = TaskConfig(name="regime", classes=list(LABEL_CLASSES["regime"]), label="regime")
    wholly = config.labels.model_copy(update={"regime_lead": config.labels.regime_window})
    tasks = [task for task in config.tasks if task.label == "regime"]
    measures = []
    for series in data.series:
        frame = adjust_prices(bars[series.instrument, series.timeframe])
        quantities = measure_targets(frame, config.labels, label_columns(config))
        known = persistence_labels(quantities, series.borders, config.labels, [regime])
        later = measure_targets(frame, wholly)
        cuts = series.borders
        if wholly.reference == "frozen":
            train = bars_in_train(series.ts, series.timeframe, data.borders)
            cuts = fit_thresholds(later, train, wholly).borders(len(series.ts))
        ahead, _ = assign_labels(later, cuts, wholly, tasks)
        measures.append(
            SeriesMeasures(
                quantities,
                measure_past(frame, config.labels),
                known["regime"],
                {name: label.values for name, label in ahead.items()},
            )
        )
    return measures
