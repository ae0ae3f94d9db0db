"""What it costs not to have seen an instrument: train without it, score it, compare with having seen it.

The instruments are dealt into groups; each group is left out of one training and scored by that model as any
series that was never trained on. It lives in a folder; trainings that are finished are kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from core.confidence.calibrators import Temperature
from core.config import Config
from core.data.dataset import LabelledSeries, PreparedData, prepare, prepare_frozen
from core.data.inputs import BarsBySeries, select_series, series_key
from core.data.segments import CALIBRATE, TEST, SegmentBorders
from core.data.windows import LastBarWindows
from core.disk import digest_json, plain, write_arrays, write_json, write_text
from core.errors import ConfigError, InputError
from core.models.ensemble import Model
from core.progress import Progress
from core.scores.intervals import Interval, paired_difference
from core.scores.metrics import log_losses
from core.scores.stretches import Stretches, label_span
from core.training.members import train
from core.training.scoring import score_last_bars

ALL = "all instruments"
_FORMAT = 1


@dataclass(frozen=True)
class LeftOutScore:
    """Log-loss on the test bars of one instrument, or of all, for one task.

    Attributes
    ----------
    instrument
        `ALL` for the rows of every instrument.
    rows
        Bars scored, the same for both models.
    seen, unseen
        Mean log-loss in nats of the model trained with the instrument, and of the one trained without it;
        each temperature-scaled on the calibrate bars of the instruments it was trained with.
    difference
        Mean of unseen minus seen with its 95% paired interval; above zero it costs something.
    """

    instrument: str
    task: str
    rows: int
    seen: float
    unseen: float
    difference: Interval


def leave_out(
    bars_by_series: BarsBySeries,
    config: Config,
    folder: Path,
    *,
    groups: int = 3,
    borders: SegmentBorders | None = None,
    test_step: int = 1,
    progress: Progress | None = None,
) -> list[LeftOutScore]:
    """Score every instrument with a model that saw it and with one that did not.

    Parameters
    ----------
    groups
        Trainings with a part left out; the instrument i of the sorted ones is in group i modulo `groups`.
    borders
        Segment borders; by default those of ``config.split``.
    test_step
        Score every test_step-th bar of each series.
    progress
        Called with (trainings done, trainings in all).

    Returns
    -------
    list of LeftOutScore
        By task, all instruments first. Instruments without a training bar are new to both models and are not
        compared.

    Raises
    ------
    InputError
        If there are fewer instruments than groups, or fewer than two groups.
    ConfigError
        If `folder` holds another comparison.
    """
    bars = select_series(bars_by_series, config)
    data = prepare(bars, config, borders)
    parts = deal(data.instruments, groups)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _claim(folder, data, config, groups, test_step)
    judged = LastBarWindows(data, TEST, config, test_step)
    seen = _forecast(folder / "all", data, config, data.series, test_step)
    losses: dict[str, dict[tuple[str, np.datetime64], tuple[float, float]]] = {}
    for done, part in enumerate(parts):
        if progress:
            progress(done + 1, len(parts) + 1)
        kept = {key: frame for key, frame in bars.items() if key[0] not in part}
        mine = prepare(kept, config, data.borders)
        left = [_as_new(key, bars, mine, config) for key in bars if key[0] in part]
        unseen = _forecast(folder / f"without-{'-'.join(part)}"[:100], mine, config, left, test_step)
        for task, rows in unseen.items():
            both = seen[task].keys() & rows.keys()
            losses.setdefault(task, {}).update({row: (seen[task][row], rows[row]) for row in both})
    if progress:
        progress(len(parts) + 1, len(parts) + 1)
    scores = _compare(losses, judged)
    write_json(folder / "left_out.json", [plain(asdict(score)) for score in scores])
    return scores


def deal(instruments: Sequence[str], groups: int) -> list[tuple[str, ...]]:
    """The instruments in `groups` parts of nearly one size, each in one of them."""
    if not 2 <= groups <= len(instruments):
        raise InputError(
            f"groups from 2 to the {len(instruments)} instruments", str(groups), "choose another number"
        )
    names = sorted(instruments)
    return [tuple(names[start::groups]) for start in range(groups)]


def _claim(folder: Path, data: PreparedData, config: Config, groups: int, test_step: int) -> None:
    mark = digest_json(
        [_FORMAT, data.fingerprint, data.borders.to_dict(), config.model_dump(mode="json"), groups, test_step]
    )
    path = folder / "fingerprint"
    if path.is_file() and path.read_text(encoding="utf-8") != mark:
        raise ConfigError(
            "a folder that holds this comparison or none", f"another in {folder}", "name another"
        )
    write_text(path, mark)


def _as_new(
    key: tuple[str, str], bars: BarsBySeries, trained: PreparedData, config: Config
) -> LabelledSeries:
    """A series as a model that was trained without it reads it."""
    peers = {name: bars[name, key[1]] for name in trained.peers if (name, key[1]) in bars}
    return prepare_frozen(
        bars[key], peers, trained.scaler, trained.thresholds.get(series_key(*key)), trained.borders, config
    )


def _forecast(
    folder: Path, data: PreparedData, config: Config, judged: list[LabelledSeries], step: int
) -> dict[str, dict[tuple[str, np.datetime64], float]]:
    """Log-loss of every labelled test bar of `judged`, by task, then by series and bar open."""
    path = folder / "losses.npz"
    if not path.is_file():
        model = train(data, config, folder, progress=False).model
        calibrated = _temperatures(model, LastBarWindows(data, CALIBRATE, config, step))
        windows = LastBarWindows(replace(data, series=judged), TEST, config, step)
        scored = score_last_bars(model, windows)
        arrays = {}
        for task, outputs in scored.tasks.items():
            known = outputs.labels >= 0
            rows = windows.rows[known]
            arrays[f"{task}/key"] = np.array([judged[which].key for which, _ in rows])
            arrays[f"{task}/ts"] = np.array([judged[which].ts[bar] for which, bar in rows], "datetime64[us]")
            probabilities = calibrated[task].apply(outputs.logits[known])
            arrays[f"{task}/loss"] = log_losses(probabilities, outputs.labels[known])
        write_arrays(path, arrays, compress=False)
    with np.load(path, allow_pickle=False) as stored:
        tasks = {name.split("/")[0] for name in stored.files}
        return {
            task: dict(
                zip(
                    zip(stored[f"{task}/key"].tolist(), stored[f"{task}/ts"], strict=True),
                    stored[f"{task}/loss"].tolist(),
                    strict=True,
                )
            )
            for task in tasks
        }


def _temperatures(model: Model, windows: LastBarWindows) -> dict[str, Temperature]:
    scored = score_last_bars(model, windows)
    return {
        task: Temperature.fit(outputs.logits[outputs.labels >= 0], outputs.labels[outputs.labels >= 0])
        for task, outputs in scored.tasks.items()
    }


def _compare(
    losses: Mapping[str, Mapping[tuple[str, np.datetime64], tuple[float, float]]], judged: LastBarWindows
) -> list[LeftOutScore]:
    ends = {
        task: {
            (series.key, series.ts[bar]): series.ts[series.label_end[task][bar]]
            for series in judged.data.series
            for bar in np.flatnonzero(series.label_end[task] >= 0)
        }
        for task in losses
    }
    scores = []
    for task, rows in losses.items():
        names = np.array([key.split("|")[0] for key, _ in rows])
        times = np.array([ts for _, ts in rows], "datetime64[us]")
        reach = np.array([ends[task][row] for row in rows], "datetime64[us]")
        both = np.array(list(rows.values()))
        for name in [ALL, *sorted(set(names.tolist()))]:
            mine = np.ones(len(names), bool) if name == ALL else names == name
            seen, unseen = both[mine].T
            stretches = Stretches.over(times[mine], label_span(times[mine], reach[mine]))
            scores.append(
                LeftOutScore(
                    instrument=name,
                    task=task,
                    rows=int(mine.sum()),
                    seen=float(seen.mean()),
                    unseen=float(unseen.mean()),
                    difference=paired_difference(unseen, seen, stretches),
                )
            )
    return scores
