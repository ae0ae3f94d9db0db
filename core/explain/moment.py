"""One bar's prediction together with what any explanation of it needs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import cast

import numpy as np
import pandas as pd
import torch

from core.bundle import Bundle
from core.config import TaskConfig
from core.data.features.table import feature_groups
from core.device import device_of
from core.errors import InputError
from core.explain.cache import ExplanationCache
from core.explain.margin import TaskMargin
from core.explain.past_windows import PastWindows, Reach, find_reach, judge_past
from core.explain.references import WINDOW_MEAN, Reference, check_name, mean_window, window_mean
from core.models.ensemble import choose_member
from core.prediction import ModelWindow, Prediction
from core.predictor import Predictor, window_fingerprint


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

    def last_attention(self, member: int | None = None) -> np.ndarray:
        """What the bar itself attends, mean over heads and layers, (T,); `member` as in `margin`."""
        return self.attention_by_layer(member).mean(0)

    def attention_by_layer(self, member: int | None = None) -> np.ndarray:
        """What the bar itself attends in every layer, mean over heads, (L, T) float32.

        Parameters
        ----------
        member
            Whose heads, as in `margin`; None is those of all.
        """
        model, device = choose_member(self.bundle.model, member), device_of(self.bundle.model)
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

    def margin(self, task: str, target: str | None = None, member: int | None = None) -> TaskMargin:
        """What is explained: log-odds of a class, by default of the one called.

        Parameters
        ----------
        member
            One of an ensemble, from 1; None is the mean logit of them all.

        Raises
        ------
        InputError
            If task, class or member is unknown.
        """
        classes = tuple(self.task(task).classes)
        return TaskMargin(
            choose_member(self.bundle.model, member),
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

    def reference(
        self,
        name: str,
        task: str,
        target: str | None = None,
        *,
        seed: int = 0,
        cache: ExplanationCache | None = None,
    ) -> Reference:
        """One of `core.explain.references.REFERENCES` for this window and a class, by default the one called.

        All members are compared with the same windows, those ordinary to the whole model.

        A bar so early that no whole window of its series came before it is compared with the window's mean,
        and the reference says so by its name.

        Parameters
        ----------
        seed
            Of the earlier windows drawn.
        cache
            Where the model's judgement of earlier windows is kept.

        Raises
        ------
        InputError
            If the reference, task or class is unknown.
        """
        name, target = check_name(name), self.target(task, target)
        if name != WINDOW_MEAN:
            past = self.past(seed, cache)
            if len(past.ts):
                return past.choose(name, task, self.task(task).classes.index(target))
        return self._standing_still

    def past(self, seed: int = 0, cache: ExplanationCache | None = None) -> PastWindows:
        """Earlier windows of this series as the model judges them; judged once per moment."""
        if seed not in self._past:
            self._past[seed] = judge_past(self.predictor, self.window, self.reach, seed, cache)
        return self._past[seed]

    @cached_property
    def reach(self) -> Reach:
        """Where earlier windows of this series may come from."""
        return find_reach(self.predictor, self.window)

    @cached_property
    def _past(self) -> dict[int, PastWindows]:
        return {}

    @cached_property
    def _standing_still(self) -> Reference:
        still = replace(self.window, features=mean_window(self.features))
        return window_mean(self.features, self.predictor.predict_window(still).distance)
