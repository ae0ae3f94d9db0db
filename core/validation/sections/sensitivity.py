"""Sensitivity: how many calls flip when the input is noisy, incomplete, stale or revised.

Shape legend: n windows, T bars, N features.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import scipy.stats
import torch

from core.data.inputs import prepare_window
from core.errors import WindowError
from core.explain.evidence.sample import WindowSample
from core.models.ensemble import Model
from core.progress import Cancelled, Meter, Progress
from core.validation.discoveries import LEVEL
from core.validation.findings import Finding, Section, judge, percent
from core.validation.material import Material

TITLE = "Sensitivity of the calls"
NOISE = 1.0
"""Standard deviation of the noise on every cell, on the model's scale of 0 to 100."""
REVISION = 0.1
"""A revised close moves by so many standard deviations of the last 20 returns."""
SEED = 0
PRICES = ("open", "high", "low", "close")

Bars = pd.DataFrame
Peers = dict[str, pd.DataFrame]


def measure_sensitivity(
    material: Material, progress: Progress | None = None, cancelled: Cancelled | None = None
) -> Section:
    """Share of calls that flip, by kind of disturbance and task.

    The limit is measured too: the share of calls that differ from those of the bar before. A disturbance that
    flips more calls than one bar of time does, by more than chance, is too much.
    """
    sample = material.sample
    if sample is None:
        why = "No stored bar of the model's series lies in its test segment."
        lacking = judge("Calls stand small disturbances of the input", None, why, material.again)
        return Section("sensitivity", TITLE, (lacking,))
    meter = Meter(progress, cancelled, len(sample))
    disturbed, kept = _disturb_all(material, sample, meter)
    said = predict_calls(material.bundle.model, sample, material)
    calls = {
        name: predict_calls(material.bundle.model, replaced(sample, windows), material)
        for name, windows in disturbed.items()
    }
    lines: list[dict[str, Any]] = []
    for task, before in said.items():
        moved = calls["bar before"][task] != before
        for name in disturbed:
            if name == "bar before":
                continue
            there = kept[name]
            flips = calls[name][task] != before
            lines.append(
                {
                    "task": task,
                    "disturbance": name,
                    "windows": int(there.sum()),
                    "refused": int((~there).sum()),
                    "flipped": float(flips[there].mean()) if there.any() else None,
                    "limit": float(moved[kept["bar before"]].mean()),
                    "p": _more_often(flips[there], moved[there]),
                }
            )
    findings = [_judge(line, material.again) for line in lines]
    facts = {
        "sample": f"{len(sample)} windows spread evenly over the test segment, "
        f"{np.datetime_as_string(sample.ts.min(), 'D')} to {np.datetime_as_string(sample.ts.max(), 'D')}",
        "limit": "share of calls that differ from those of the bar before, on the same windows",
    }
    return Section("sensitivity", TITLE, tuple(findings), {"sensitivity": lines}, facts)


def predict_calls(model: Model, sample: WindowSample, material: Material) -> dict[str, np.ndarray]:
    """Most probable class of every window by task, (n,)."""
    device = next(model.parameters()).device
    parts: dict[str, list[np.ndarray]] = {}
    with torch.inference_mode():
        for start in range(0, len(sample), 32):
            inputs = sample.inputs(material.bundle, slice(start, start + 32))
            output = model(*(part.to(device) for part in inputs), last_only=True)
            for task, head in output.tasks.items():
                parts.setdefault(task, []).append(head.logits[:, -1].argmax(dim=-1).cpu().numpy())
    return {task: np.concatenate(found) for task, found in parts.items()}


def replaced(sample: WindowSample, windows: np.ndarray) -> WindowSample:
    """The same bars with other inputs."""
    return WindowSample(windows, sample.instrument, sample.timeframe, sample.first, sample.ts, sample.labels)


def repeat_last(bars: Bars, others: Peers) -> tuple[Bars, Peers]:
    """A stale bar: the last one repeats the one before, volume included."""
    changed = bars.copy()
    columns = [name for name in bars.columns if name not in ("instrument", "timeframe", "ts")]
    place = {name: changed.columns.get_loc(name) for name in columns}
    for at in place.values():
        changed.iloc[-1, at] = changed.iloc[-2, at]  # type: ignore[index]
    return changed, others


def revise_last(bars: Bars, others: Peers) -> tuple[Bars, Peers]:
    """A revised bar: its close moved by `REVISION` daily deviations, up on even bars and down on odd ones."""
    changed = bars.copy()
    close = changed["close"].to_numpy(float).copy()
    sigma = float(np.std(np.diff(np.log(close[-21:]))))
    factor = float(np.exp(REVISION * sigma * (1 if len(close) % 2 else -1)))
    for name in [name for name in ("close", "adj_close") if name in changed]:
        changed.iloc[-1, changed.columns.get_loc(name)] *= factor  # type: ignore[index,operator]
    high, low, last = (float(changed[name].iloc[-1]) for name in ("high", "low", "close"))
    changed.iloc[-1, changed.columns.get_loc("high")] = max(high, last)  # type: ignore[index]
    changed.iloc[-1, changed.columns.get_loc("low")] = min(low, last)  # type: ignore[index]
    return changed, others


def drop_volume(bars: Bars, others: Peers) -> tuple[Bars, Peers]:
    """A missing input: the last five bars come without volume."""
    changed = bars.copy()
    changed["volume"] = changed["volume"].astype(float)
    changed.iloc[-5:, changed.columns.get_loc("volume")] = np.nan  # type: ignore[index]
    return changed, others


def drop_peers(bars: Bars, others: Peers) -> tuple[Bars, Peers]:
    """A missing input: no other instrument's bars have come in."""
    return bars, {}


def step_back(bars: Bars, others: Peers) -> tuple[Bars, Peers]:
    """The bar before, as a measure of how often calls change by themselves."""
    return bars.iloc[:-1], others


DISTURBANCES: dict[str, Callable[[Bars, Peers], tuple[Bars, Peers]]] = {
    "stale bar": repeat_last,
    "revised bar": revise_last,
    "volume missing": drop_volume,
    "other instruments missing": drop_peers,
    "bar before": step_back,
}


def _disturb_all(
    material: Material, sample: WindowSample, meter: Meter
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Windows by disturbance, (n, T, N), and which of them the program would score at all, (n,)."""
    noise = np.random.default_rng(SEED).normal(0, NOISE, sample.windows.shape).astype(np.float32)
    # The last column is the mask of missing cells, which noise of a market cannot touch.
    noise[..., -1] = 0
    windows = {name: sample.windows.copy() for name in DISTURBANCES}
    kept = {name: np.ones(len(sample), bool) for name in DISTURBANCES}
    predictor, bundle = material.predictor, material.bundle
    for row, (instrument, timeframe) in enumerate(zip(sample.instrument, sample.timeframe, strict=True)):
        meter.check()
        at = pd.Timestamp(sample.ts[row], tz="UTC")
        bars, others = predictor.read_bars(instrument, timeframe, at)  # type: ignore[arg-type]
        for name, disturb in DISTURBANCES.items():
            try:
                windows[name][row], _ = prepare_window(
                    *disturb(bars, others),
                    bundle.feature_names,
                    bundle.scaler,
                    bundle.config,
                    predictor.length,
                )
            except WindowError:
                kept[name][row] = False
        meter.add(1)
    windows["noise"] = np.clip(sample.windows + noise, 0, 100)
    kept["noise"] = np.ones(len(sample), bool)
    return windows, kept


def _more_often(one: np.ndarray, other: np.ndarray) -> float:
    """Chance that the first of two equally frequent events shows so much more often (McNemar, exact)."""
    alone, opposed = int((one & ~other).sum()), int((other & ~one).sum())
    if alone + opposed == 0:
        return 1.0
    return float(scipy.stats.binomtest(alone, alone + opposed, alternative="greater").pvalue)


def _judge(line: dict[str, Any], command: str) -> Finding:
    what = f"{line['task'].capitalize()}: {line['disturbance']} flips no more calls than a bar of time does"
    if line["flipped"] is None:
        return judge(what, None, f"All {line['refused']} such windows are refused.", command)
    said = (
        f"{percent(line['flipped'])} of {line['windows']} calls flip; from the bar before "
        f"{percent(line['limit'])} differ (p = {line['p']:.2f} that this is no more)."
    )
    if line["refused"]:
        said += f" {line['refused']} such windows are refused and give no call."
    return judge(what, line["p"] > LEVEL, said, command)
