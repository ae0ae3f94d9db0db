"""Walk-forward evaluation: one model per fold, each scored on what came after it.

A walk-forward lives in a folder and can be killed at any moment: finished folds are kept, an unfinished one
goes on from its last checkpoint.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from core.config import Config
from core.data.inputs import BarsBySeries, select_series, series_key
from core.disk import digest_bars, digest_parts, hold_lock, plain, remove_leftovers, write_json
from core.errors import ConfigError
from core.experiments.fitted_baselines import BASELINES
from core.experiments.walk_forward.borders import FIRST_TEST_SHARE, Scheme, choose_folds
from core.experiments.walk_forward.fold import FoldPlan, run_fold, trainings
from core.experiments.walk_forward.records import WalkForwardResult
from core.experiments.walk_forward.results import (
    FORMAT_VERSION,
    PLAN,
    SUMMARY,
    ResultsError,
    baselines_path,
    fold_path,
    load_walk_forward,
    read_fold,
    read_plan,
    rows_path,
)
from core.experiments.walk_forward.summary import summarise
from core.progress import Progress
from core.training.tracking import track_run

# Where and how fast a run computes does not change what it is.
_MACHINE = {"threads", "accelerator", "devices"}


def run_walk_forward(
    bars_by_series: BarsBySeries,
    config: Config,
    folder: Path,
    *,
    folds: int = 5,
    scheme: Scheme = "expanding",
    test_step: int = 1,
    baselines: Sequence[str] = BASELINES,
    first_test_share: float = FIRST_TEST_SHARE,
    progress: Progress | None = None,
    track_home: Path | None = None,
    use_ray: bool | None = None,
) -> WalkForwardResult:
    """Train and score one model per fold, beside its baselines; go on where an earlier call was stopped.

    Parameters
    ----------
    bars_by_series
        As for `core.data.dataset.prepare`.
    folder
        One walk-forward each.
    folds, scheme, first_test_share
        See `core.experiments.walk_forward.borders.choose_folds`.
    test_step
        Score every test_step-th bar of each series, in calibrate and in test.
    baselines
        Out of `BASELINES`; ``prior`` is always among them.
    progress
        Called with (epochs done, epochs in all folds); a fold that stops early jumps to its end. On Ray,
        once per fold.
    track_home
        Record folds and summary in MLflow, see `core.training.tracking.track_run`; None records nothing.
    use_ray
        Folds on Ray; None takes it where it is installed. The numbers are the same in process.

    Raises
    ------
    ConfigError
        If an argument is out of range or Ray is asked for and not installed.
    ResultsError
        If `folder` holds another walk-forward, or another process is at work in it.
    InputError
        If the bars are too few.
    """
    folder = Path(folder)
    chosen = _check(test_step, baselines)
    bars = select_series(bars_by_series, config)
    times = [frame["ts"].to_numpy(dtype="datetime64[us]") for frame in bars.values()]
    borders = choose_folds(times, config.split, folds, scheme, first_test_share)
    plan = {
        "format_version": FORMAT_VERSION,
        "config": config.model_dump(mode="json"),
        "scheme": scheme,
        "test_step": test_step,
        "baselines": list(chosen),
        "series": [series_key(*key) for key in bars],
        "borders": [border.to_dict() for border in borders],
        "data": _digest_data(bars),
    }
    plan["fingerprint"] = _fingerprint(plan)
    folder.mkdir(parents=True, exist_ok=True)
    busy = ResultsError(
        f"one process at work in {folder}", "another one", "wait for it or choose another folder"
    )
    with hold_lock(folder / ".lock", 0, busy):
        _claim(folder, plan)
        jobs = [
            FoldPlan(k, border, test_step, chosen, folder, track_home) for k, border in enumerate(borders)
        ]
        todo = [job for job in jobs if not _is_finished(job)]
        _run_folds(bars, config, todo, len(jobs), progress, use_ray)
        if not (folder / SUMMARY).is_file():
            _summarise(folder, config, len(jobs), track_home)
    return load_walk_forward(folder)


def _check(test_step: int, baselines: Sequence[str]) -> tuple[str, ...]:
    unknown = sorted(set(baselines) - set(BASELINES))
    if unknown or test_step < 1:
        raise ConfigError(
            f"baselines out of {', '.join(BASELINES)} and a test step of at least 1",
            f"{', '.join(unknown) or 'known ones'} and {test_step}",
            "correct the arguments",
        )
    return tuple(name for name in BASELINES if name == "prior" or name in baselines)


def _claim(folder: Path, plan: dict[str, Any]) -> None:
    """Make the folder this walk-forward's, or find that it is."""
    remove_leftovers(folder)
    there = read_plan(folder)
    if there is None:
        if any(folder.glob("fold_*")):
            raise ResultsError(f"a plan beside the folds in {folder}", "none", "choose another folder")
        write_json(folder / PLAN, plain(plan))
    elif there["fingerprint"] != plan["fingerprint"]:
        changed = [key for key in plan if key != "fingerprint" and there.get(key) != plain(plan[key])]
        raise ResultsError(
            "a folder that holds this walk-forward or none",
            f"one with another {' and '.join(changed) or 'content'} in {folder}",
            "choose another folder or delete that one",
        )


def _is_finished(job: FoldPlan) -> bool:
    if not fold_path(job.folder, job.index).is_file():
        return False
    files = read_fold(job.folder, job.index)["files"]
    paths = rows_path(job.folder, job.index), baselines_path(job.folder, job.index)
    return all(path.is_file() and path.name in files for path in paths)


def _run_folds(
    bars: BarsBySeries,
    config: Config,
    todo: list[FoldPlan],
    folds: int,
    progress: Progress | None,
    use_ray: bool | None,
) -> None:
    installed = importlib.util.find_spec("ray") is not None
    if use_ray and not installed:
        raise ConfigError("Ray to run folds on", "none installed", "pip install ray, or leave it off")
    each = config.training.epochs * (trainings(config, todo[0].baselines) if todo else 1)
    done = (folds - len(todo)) * each
    if progress:
        progress(done, folds * each)
    wanted = installed if use_ray is None else use_ray
    finished = _on_ray(bars, config, todo) if wanted and len(todo) > 1 else None
    for job in todo:
        if finished is None:
            before = done
            report = None if progress is None else lambda epochs, b=before: progress(b + epochs, folds * each)
            run_fold(bars, config, job, report)
        else:
            next(finished)
        done += each
        if progress:
            progress(done, folds * each)


def _on_ray(bars: BarsBySeries, config: Config, todo: list[FoldPlan]) -> Iterator[None]:
    """Yields once per fold finished, in whatever order."""
    import ray

    started = not ray.is_initialized()
    if started:
        ray.init(include_dashboard=False, log_to_driver=False)
    try:
        shared: ray.ObjectRef[BarsBySeries] = ray.put(dict(bars))
        # As many threads as in this process: sums in another order would round otherwise.
        threads = torch.get_num_threads()
        resources = ray.cluster_resources()
        work = ray.remote(
            num_cpus=min(threads, int(resources.get("CPU", 1))),
            # Folds take turns on a GPU rather than share its memory.
            num_gpus=1 if resources.get("GPU", 0) >= 1 else 0,
        )(_run_fold_elsewhere)
        pending = [work.remote(shared, config, job, threads) for job in todo]
        while pending:
            ready, pending = ray.wait(pending, num_returns=1)
            ray.get(ready)
            yield
    finally:
        if started:
            ray.shutdown()


def _run_fold_elsewhere(bars: BarsBySeries, config: Config, job: FoldPlan, threads: int) -> None:
    torch.set_num_threads(threads)
    run_fold(bars, config, job)


def _summarise(folder: Path, config: Config, folds: int, track_home: Path | None) -> None:
    # Read back, so that an uninterrupted run and a resumed one score the very same numbers.
    rows = pd.concat([pd.read_parquet(rows_path(folder, k)) for k in range(folds)], ignore_index=True)
    others = pd.concat([pd.read_parquet(baselines_path(folder, k)) for k in range(folds)], ignore_index=True)
    summary = plain(summarise(rows, others, config))
    write_json(folder / SUMMARY, summary)
    with track_run(track_home, f"{config.name} walk-forward", config, {"kind": "walk-forward"}) as run:
        if not run.active:
            return
        for task, entry in summary.items():
            pooled = entry["pooled"] or {}
            for who in ("model", "uncalibrated"):
                scores = {k: v["value"] for k, v in pooled.get(who, {}).items() if isinstance(v, dict)}
                run.log_metrics({f"{task}/{who}/{name}": value for name, value in scores.items()})
            for name, scores in pooled.get("baselines", {}).items():
                difference = scores["model_minus_baseline"]
                run.log_metrics(
                    {f"{task}/minus_{name}/{part}": difference[part] for part in ("value", "low", "high")}
                )
        for name in (PLAN, SUMMARY):
            run.log_artifact(folder / name)


def _digest_data(bars: BarsBySeries) -> str:
    return digest_bars((f"{series_key(*key)} {len(frame)}", frame) for key, frame in sorted(bars.items()))


def _fingerprint(plan: dict[str, Any]) -> str:
    config = {key: value for key, value in plan["config"].items() if key != "name"}
    config["training"] = {k: v for k, v in config["training"].items() if k not in _MACHINE}
    return digest_parts([repr(sorted((plan | {"config": config}).items())).encode()])
