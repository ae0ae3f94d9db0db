"""What if: bars or features edited, the model's input made anew from them, and what moved the call.

Shapes: T bars, N features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from core.config import Config
from core.data.bars import KEY, adjust_prices
from core.data.inputs import label_columns, prepare_window
from core.data.scaling import FeatureScaler
from core.errors import BarsError, InputError
from core.explain.attribution import Attribution, attribute
from core.explain.cache import ExplanationCache
from core.explain.explanation import Question, explain_moment
from core.explain.margin import check_window
from core.explain.moment import Moment
from core.explain.references import Reference
from core.prediction import ModelWindow
from core.predictor import Predictor
from core.progress import Cancelled, Progress

PRICES = ("open", "high", "low", "close")
_LOWEST, _HIGHEST = 0.0, 100.0


@dataclass(frozen=True)
class BarEdit:
    """One value of one bar replaced; `column` is a price, the volume or a further column."""

    ts: pd.Timestamp
    column: str
    value: float


@dataclass(frozen=True)
class FeatureEdit:
    """One cell of the model's input replaced, on the 0..100 scale; `bar` may count from the end (-1)."""

    bar: int
    feature: str
    value: float


@dataclass(frozen=True)
class EditableBars:
    """The bars behind one window, edited at the prices a screen shows.

    The model sees adjusted prices; a screen shows them scaled so that the newest bar keeps the price it
    traded at. Edits are made in shown prices and carried back; cells nobody edits are never converted, so
    that no edit is no change in any bit.

    Attributes
    ----------
    adjusted
        Adjusted bars of one series, the warm-up of the features first, the bar predicted from last.
    scale
        Shown price over adjusted price.
    others
        Stored bars of the other instruments, by name.
    columns
        What may be edited.
    """

    adjusted: pd.DataFrame
    scale: float
    others: Mapping[str, pd.DataFrame]
    columns: tuple[str, ...]

    @classmethod
    def of(
        cls, traded: pd.DataFrame, others: Mapping[str, pd.DataFrame] | None, config: Config
    ) -> EditableBars:
        """From stored bars, as `Predictor.read_bars` gives them."""
        adjusted = adjust_prices(traded)
        scale = float(traded["close"].iloc[-1] / adjusted["close"].iloc[-1])
        fixed = {*KEY, *label_columns(config)}
        columns = tuple(name for name in adjusted.columns if name not in fixed)
        return cls(adjusted, scale, others or {}, columns)

    @classmethod
    def at(
        cls, predictor: Predictor, instrument: str, timeframe: str, ts: pd.Timestamp | None = None
    ) -> EditableBars:
        """Of the last stored bar at or before `ts`; raises as `Predictor.predict` does."""
        traded, others = predictor.read_bars(instrument, timeframe, ts)
        return cls.of(traded, others, predictor.bundle.config)

    def shown(self, count: int | None = None) -> pd.DataFrame:
        """The newest `count` bars (None is all) at shown prices."""
        bars = self.adjusted if count is None else self.adjusted.iloc[-count:]
        prices = list(PRICES)
        return bars.assign(**(bars[prices] * self.scale)).reset_index(drop=True)

    def edit(self, edits: Sequence[BarEdit]) -> EditableBars:
        """A copy with edits, given in shown prices, carried back to the adjusted ones.

        Raises
        ------
        BarsError
            As `edit_bars` does.
        """
        edit_bars(self.shown(), edits)
        adjusted = self.adjusted.copy()
        places = dict(zip(adjusted["ts"], adjusted.index, strict=True))
        for edit in edits:
            value = edit.value / self.scale if edit.column in PRICES else edit.value
            adjusted.loc[places[edit.ts], edit.column] = float(value)
        for row in {places[edit.ts] for edit in edits}:
            # Equal prices on the screen may differ in the last bit once carried back.
            bar = adjusted.loc[row, list(PRICES)]
            adjusted.loc[row, "high"], adjusted.loc[row, "low"] = bar.max(), bar.min()
        return EditableBars(adjusted, self.scale, self.others, self.columns)

    def window(self, predictor: Predictor) -> ModelWindow:
        """What the model sees of these bars."""
        bundle = predictor.bundle
        instrument, timeframe = (str(self.adjusted[name].iloc[0]) for name in ("instrument", "timeframe"))
        features = edited_window(self, [], bundle.scaler, bundle.config)
        ts = self.adjusted["ts"].dt.tz_localize(None).to_numpy(dtype="datetime64[us]")[-len(features) :]
        return ModelWindow(instrument, timeframe, ts, features)


def edit_bars(bars: pd.DataFrame, edits: Sequence[BarEdit]) -> pd.DataFrame:
    """Bars of one series with some values replaced.

    Raises
    ------
    BarsError
        If a bar or column does not exist, a value is not finite, a price not positive, a volume negative, or
        an edited bar breaks low <= open, close <= high once all edits are made.
    """
    edited = bars.copy()
    touched = set()
    for edit in edits:
        rows = np.flatnonzero((bars["ts"] == edit.ts).to_numpy())
        if len(rows) != 1:
            raise BarsError("a bar of this window", f"{edit.ts}", "choose one of the bars shown")
        if edit.column not in bars.columns or edit.column in KEY:
            raise BarsError("a numeric column of the bars", repr(edit.column), "choose a price or the volume")
        if not np.isfinite(edit.value) or (edit.column in PRICES and edit.value <= 0):
            raise BarsError("a finite value, above 0 for prices", f"{edit.column} {edit.value}", "correct it")
        if edit.column == "volume" and edit.value < 0:
            raise BarsError("a volume of at least 0", str(edit.value), "correct it")
        edited.loc[edited.index[rows[0]], edit.column] = float(edit.value)
        touched.add(int(rows[0]))
    for row in sorted(touched):
        bar = edited.iloc[row]
        if not bar["low"] <= min(bar["open"], bar["close"]) <= max(bar["open"], bar["close"]) <= bar["high"]:
            values = ", ".join(f"{name} {bar[name]:.8g}" for name in PRICES)
            raise BarsError(
                "low <= open and close <= high",
                f"{values} at {bar['ts']:%Y-%m-%d %H:%M}",
                "edit high or low too",
            )
    return edited


def edited_window(
    bars: EditableBars, edits: Sequence[BarEdit], scaler: FeatureScaler, config: Config
) -> np.ndarray:
    """The model's input after `edits`, every indicator computed anew from the bars, (T, N) float32.

    Raises
    ------
    BarsError
        As `edit_bars` does.
    WindowError
        If the edited bars leave too many features unknown.
    """
    edited = bars.edit(edits) if edits else bars
    length = config.model.sequence_length
    features, _ = prepare_window(edited.adjusted, edited.others, scaler.columns, scaler, config, length)
    return features


def edit_features(
    window: np.ndarray,
    feature_names: Sequence[str],
    edits: Sequence[FeatureEdit],
    locked: Sequence[str] = (),
) -> np.ndarray:
    """A window with some cells replaced; other cells stay as they are, derived ones too.

    Raises
    ------
    InputError
        If a feature is unknown or locked, a bar outside the window, or a value outside 0..100.
    """
    edited = check_window(window).copy()
    names = list(feature_names)
    for edit in edits:
        if edit.feature not in names:
            raise InputError("a feature of this model", repr(edit.feature), "choose one of those shown")
        if edit.feature in locked:
            raise InputError("a feature that is not locked", repr(edit.feature), "unlock it first")
        if not -len(edited) <= edit.bar < len(edited):
            raise InputError(
                f"a bar from 0 to {len(edited) - 1}", str(edit.bar), "choose a bar of the window"
            )
        if not _LOWEST <= edit.value <= _HIGHEST:
            raise InputError(
                "a value from 0 to 100", str(edit.value), "keep to the scale of the model's input"
            )
        edited[edit.bar, names.index(edit.feature)] = edit.value
    return edited


ORIGINAL = "original"
"""Name of the reference that is the window before the edit."""


@dataclass(frozen=True)
class EditExplanation:
    """Two windows explained the same way, and the way from one to the other.

    Attributes
    ----------
    before, after
        Attributions of the original and the edited window, each against its own reference.
    edit
        Integrated Gradients of the edited window with the original one as reference: how much each edited
        cell moved the log-odds. Cells nobody edited have 0, and the values add up to the whole change.
    """

    before: Attribution
    after: Attribution
    edit: Attribution

    @property
    def moved(self) -> float:
        """Change of the class's log-odds."""
        return self.edit.output - self.edit.reference_output

    def by_feature(self) -> list[tuple[str, float, float, float]]:
        """(feature, sum before, sum after, moved by the edit): what moved most first, then what differs."""
        rows = [
            (name, self.before.by_feature[name], self.after.by_feature[name], self.edit.by_feature[name])
            for name in self.before.feature_names
        ]
        return sorted(rows, key=lambda row: (-abs(row[3]), -abs(row[2] - row[1])))


def explain_edit(
    original: Moment,
    edited: Moment,
    question: Question,
    cache: ExplanationCache | None = None,
    *,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> EditExplanation:
    """Explain the original, the edited window and the change between them; the first two are kept in `cache`.

    Parameters
    ----------
    original, edited
        The same bar of the same series.

    Raises
    ------
    InputError
        If task, class, method or reference is unknown.
    Stopped
        If `cancelled` said so.
    """
    question = replace(question, target=original.margin(question.task, question.target).target)
    before = explain_moment(original, question, cache, progress=progress, cancelled=cancelled)
    after = explain_moment(edited, question, cache, progress=progress, cancelled=cancelled)
    margin = original.margin(question.task, question.target, question.member)
    edit = attribute(
        margin,
        edited.features,
        Reference(ORIGINAL, np.ascontiguousarray(original.features[None])),
        original.feature_names,
        "ig",
        question.settings,
        progress=progress,
        cancelled=cancelled,
    )
    return EditExplanation(before, after, edit)
