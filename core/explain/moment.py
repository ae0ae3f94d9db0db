"""One bar's prediction together with what any explanation of it needs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
import pandas as pd
import torch

from core.bundle import Bundle
from core.config import TaskConfig
from core.data.features.table import feature_groups
from core.data.segments import TRAIN
from core.device import device_of
from core.errors import InputError, WindowError
from core.explain.margin import TaskMargin
from core.explain.references import BASELINES, Baseline, multi_reference, training_median, window_mean
from core.prediction import ModelWindow, Prediction
from core.predictor import Predictor, whole_windows, window_fingerprint

REFERENCES = 4
"""Training windows behind "multi_reference"; every method costs so many times as much with it."""


@dataclass(frozen=True)
class Moment:
    """A bar, the window the model sees at it and the model itself.

    Attributes
    ----------
    predictor
        Model and store.
    window
        The model's input; possibly an edited one.
    """

    predictor: Predictor
    window: ModelWindow

    @classmethod
    def at(
        cls, predictor: Predictor, instrument: str, timeframe: str, ts: pd.Timestamp | None = None
    ) -> Moment:
        """The last stored bar at or before `ts`; raises as `Predictor.predict` does."""
        return cls(predictor, predictor.window(instrument, timeframe, ts))

    @property
    def bundle(self) -> Bundle:
        return self.predictor.bundle

    @property
    def features(self) -> np.ndarray:
        """The window on the 0..100 scale, (T, N) float32."""
        return self.window.features

    @property
    def feature_names(self) -> tuple[str, ...]:
        return self.bundle.feature_names

    @property
    def groups(self) -> dict[str, str]:
        """Source group of each feature."""
        return feature_groups(self.feature_names)

    @property
    def ts(self) -> pd.Timestamp:
        """Open of the bar, UTC."""
        return cast(pd.Timestamp, pd.Timestamp(self.window.ts[-1], tz="UTC"))

    @cached_property
    def prediction(self) -> Prediction:
        """What the model says of exactly this window."""
        return self.predictor.predict_window(self.window)

    @property
    def data_fingerprint(self) -> str:
        """SHA-256 of the model's input."""
        return window_fingerprint(self.features)

    def last_attention(self) -> np.ndarray:
        """What the bar itself attends, mean over heads and layers, (T,)."""
        return self.attention_by_layer().mean(0)

    def attention_by_layer(self) -> np.ndarray:
        """What the bar itself attends in every layer, mean over heads, (L, T) float32."""
        model, device = self.bundle.model, device_of(self.bundle.model)
        instrument = self.bundle.instrument_index(self.window.instrument)
        timeframe = self.bundle.timeframe_index(self.window.timeframe)
        with torch.inference_mode():
            output = model(
                torch.from_numpy(self.features)[None].to(device),
                torch.tensor([instrument], device=device),
                torch.tensor([timeframe], device=device),
                last_only=True,
                need_attention="last",
            )
        return torch.stack(output.attention)[:, 0].mean(dim=1).float().cpu().numpy()

    def task(self, name: str) -> TaskConfig:
        """A task of the model.

        Raises
        ------
        InputError
            If it has none of that name.
        """
        tasks = {task.name: task for task in self.bundle.config.tasks}
        if name not in tasks:
            raise InputError(f"a task out of {', '.join(tasks)}", repr(name), "choose one of them")
        return tasks[name]

    def target(self, task: str, name: str | None = None) -> str:
        """A class of the task by its name in whatever case; the one called when None.

        Raises
        ------
        InputError
            If task or class is unknown.
        """
        classes = self.task(task).classes
        if name is None:
            return self.prediction.tasks[task].call
        found = next((known for known in classes if known.lower() == name.strip().lower()), None)
        if found is None:
            raise InputError(f"a class out of {', '.join(classes)}", repr(name), "choose one of them")
        return found

    def margin(self, task: str, target: str | None = None) -> TaskMargin:
        """What is explained: log-odds of a class, by default of the one called."""
        classes = tuple(self.task(task).classes)
        return TaskMargin(
            self.bundle.model,
            task,
            target or self.prediction.tasks[task].call,
            classes,
            self.bundle.instrument_index(self.window.instrument),
            self.bundle.timeframe_index(self.window.timeframe),
        )

    def market_values(self, scaled: np.ndarray | None = None) -> np.ndarray:
        """Feature values in their own units (`core.data.features.table`), (..., N) float64.

        Parameters
        ----------
        scaled
            On the 0..100 scale, by default the window; what scaling clipped stays at its bound.
        """
        return self.bundle.scaler.inverse(self.features if scaled is None else scaled)

    def baseline(self, name: str) -> Baseline:
        """One of `BASELINES` for this window.

        Raises
        ------
        InputError
            If the name is unknown.
        WindowError
            If the store holds no training window to compare with.
        """
        if name == "window_mean":
            return window_mean(self.features)
        if name == "training_median":
            scaler = self.bundle.scaler
            return training_median(self.features, scaler.transform(scaler.median[None])[0])
        if name == "multi_reference":
            return multi_reference(self.features, self._training_windows())
        raise InputError(f"a baseline out of {', '.join(BASELINES)}", repr(name), "choose one of them")

    def _training_windows(self) -> np.ndarray:
        """`REFERENCES` training windows spread over this series, else over the first that has any."""
        wanted, timeframe = self.window.instrument, self.window.timeframe
        stored = self.predictor.store.instruments(timeframe)
        known = [name for name in self.bundle.instruments if name in stored]
        for name in sorted(known, key=lambda name: name != wanted):
            try:
                series = self.predictor.label_range(name, timeframe, end=self.bundle.borders.train_end)
            except WindowError:
                # Stored from a later day on than the model was trained to: another series may do.
                continue
            ends = whole_windows(
                series.missing, self.predictor.length, self.bundle.config.data.max_missing_share
            )
            trained = np.any([series.segments[task] == TRAIN for task in series.segments], axis=0)
            ends = ends[trained[ends]]
            if len(ends):
                chosen = ends[np.linspace(0, len(ends) - 1, min(REFERENCES, len(ends))).round().astype(int)]
                return np.stack(
                    [series.features[end + 1 - self.predictor.length : end + 1] for end in chosen]
                )
        raise WindowError(
            f"stored training windows of a {timeframe} series",
            "none",
            "choose another baseline, or ingest the bars the model was trained on",
        )
