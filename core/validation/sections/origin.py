"""What is validated: the model and its purpose, the bars behind it, its labels, and what changed since."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from core.data.bars import adjust_prices, one_column
from core.data.inputs import select_series, series_key
from core.disk import digest_bars
from core.errors import InputError
from core.review.evidence import describe_evidence, find_differences
from core.training.pipeline import read_bars
from core.validation.findings import Finding, Section, judge, percent
from core.validation.material import Material

INGEST = "python -m core ingest --bundled"
AGREEMENT = 0.999
"""Share of labels that must come out of the stored bars as they were scored."""
LEAST_SHARE = 0.05
"""A class that happens less often is hardly learned or judged."""


def describe_purpose(material: Material) -> Section:
    """Which model, what for, and on what its evidence rests."""
    bundle, result = material.bundle, material.result
    config = bundle.config
    facts = {
        "model": f"{bundle.name}, version {bundle.version}",
        "purpose": f"states, at the close of a bar, the probabilities of {_name_tasks(material)}, as "
        "a help for "
        "people who decide; it places no orders",
        "horizon": f"{config.labels.horizon} bars ahead; the regime is that of "
        f"{config.labels.regime_window} bars, "
        f"{config.labels.regime_lead} of them ahead",
        "scope": f"bars of {', '.join(bundle.timeframes)}; trained on {', '.join(bundle.instruments)}",
        "trained on labels until": f"{bundle.borders.train_end:%Y-%m-%d}; chosen and calibrated until "
        f"{bundle.borders.calibrate_end:%Y-%m-%d}",
        "architecture": f"{config.model.members} transformers of "
        f"{config.model.num_transformer_layers} layers, "
        f"{bundle.model.parameter_count():,} trained numbers in all, {len(bundle.feature_names)} "
        "inputs a bar",
        "code": f"version {bundle.code_version}",
    }
    findings = [
        judge(
            "The model is identified beyond doubt",
            True,
            f"Version {bundle.version} is the SHA-256 of its content; every file was verified on loading.",
            material.again,
        ),
        judge(
            "The model is classed by the risk of its use",
            None,
            "Its use and what hangs on it are the firm's: no risk class is recorded here.",
            f"python -m core note --model {bundle.name} --verdict accepted --text TEXT",
        ),
    ]
    if result is None:
        why = "This model has no walk-forward, so nothing in this pack speaks of bars it never saw."
        findings.append(judge("The evidence is of models made as this one is", None, why, material.walk))
    else:
        evidence = describe_evidence(result)
        step = int(result.plan.get("test_step", 1))
        facts["evidence"] = (
            f"{evidence.folds} trainings, each scored on what came after it: {len(result.rows):,} "
            "predictions "
            f"of {len(evidence.series)} series, {evidence.first:%Y-%m-%d} to {evidence.last:%Y-%m-%d}"
            f"{'' if step == 1 else f', one bar in {step}'}"
        )
        differences = find_differences(result.config, config)
        said = f"Differences in {len(differences)} of 7 parts: {', '.join(differences) or 'none'}."
        findings.append(
            judge("The evidence is of models made as this one is", not differences, said, material.walk)
        )
    return Section("purpose", "Purpose and scope", tuple(findings), {}, facts)


def describe_data(material: Material) -> Section:
    """Stored series, what the quality gate found, and whether they are the bars the model was made from."""
    bundle = material.bundle
    series = [
        {
            "series": series_key(entry.instrument, entry.timeframe),
            "bars": entry.bars,
            "first": f"{entry.first:%Y-%m-%d}",
            "last": f"{entry.last:%Y-%m-%d}",
            "trained_on": series_key(entry.instrument, entry.timeframe) in bundle.seen.trained,
            "sha256": material.store.fingerprint(entry.instrument, entry.timeframe),
        }
        for entry in material.store.series()
    ]
    found = material.store.findings()
    counted = found.groupby(["check", "verdict"], observed=True)["rows"].agg(["size", "sum"]).reset_index()
    quality: list[dict[str, Any]] = [
        {
            "check": line["check"],
            "verdict": line["verdict"],
            "findings": int(line["size"]),
            "rows": int(line["sum"]),
        }
        for line in counted.to_dict("records")
    ]
    findings = [_judge_bars(material), _judge_quality(found)]
    facts = {
        "fingerprint of the training bars": bundle.data_fingerprint,
        "series stored": str(len(series)),
        "lineage": "bars are ingested through one quality gate; what it dropped, repaired and "
        "flagged is kept with "
        "its rows",
    }
    if material.result is not None:
        facts["fingerprint of the walk-forward's bars"] = str(
            material.result.plan.get("data", "not recorded")
        )
    return Section("data", "Data and lineage", tuple(findings), {"series": series, "quality": quality}, facts)


def _judge_bars(material: Material) -> Finding:
    what = "The stored bars are those the model was made from"
    try:
        bars = select_series(read_bars(material.store, material.bundle.config), material.bundle.config)
    except InputError as error:
        return judge(what, None, str(error), INGEST)
    here = digest_bars((series_key(*key), adjust_prices(frame)) for key, frame in bars.items())
    same = here == material.bundle.data_fingerprint
    said = (
        f"SHA-256 of {len(bars)} series: here {here[:16]}, in the model "
        f"{material.bundle.data_fingerprint[:16]}."
    )
    if not same:
        said += " Bars were added, left out or changed since."
    return judge(what, same, said, INGEST)


def _judge_quality(found: pd.DataFrame) -> Finding:
    what = "The quality gate has looked at the bars and changed none without saying so"
    if not len(found):
        return judge(what, None, "No finding is stored: the bars were not ingested here.", INGEST)
    verdicts, rows = (one_column(found, name).to_numpy() for name in ("verdict", "rows"))
    said = ", ".join(f"{rows[verdicts == one].sum():,} rows {one}" for one in np.unique(verdicts.astype(str)))
    return judge(what, True, f"{len(found):,} findings: {said}.", INGEST)


def describe_labels(material: Material) -> Section:
    """What the classes mean, how often each happened, and whether the stored bars give the labels scored."""
    labels = material.bundle.config.labels
    facts = {
        "direction": f"Bullish above +{labels.band:g} and Bearish below -{labels.band:g} of the move "
        "from the next "
        f"open to the close {labels.horizon} bars on, in expected deviations"
        if labels.direction == "volatility_band"
        else labels.direction.replace("_", " "),
        "volatility": f"{labels.volatility.replace('_', ' ')} over the next {labels.horizon} bars, in "
        "thirds of the "
        f"series' last {labels.reference_bars} values"
        if labels.reference == "trailing"
        else f"{labels.volatility.replace('_', ' ')}, in thirds of the training bars",
        "regime": f"over {labels.regime_window} bars, {labels.regime_lead} of them ahead: Volatile above the "
        f"{100 * labels.volatile_quantile:.0f}th percentile of volatility, else Trending or Ranging by the "
        "efficiency ratio's median",
    }
    used = {task.label.split(":")[0] for task in material.bundle.config.tasks}
    facts = {name: text for name, text in facts.items() if name in used}
    result = material.result
    if result is None:
        why = "This model has no walk-forward."
        lacking = judge("Every class happens often enough to be judged", None, why, material.walk)
        return Section("labels", "Definitions of the labels", (lacking,), {}, facts)
    shares: list[dict[str, Any]] = []
    findings = []
    for task in result.config.tasks:
        mine = one_column(result.rows, "label").to_numpy(int)[np.asarray(result.rows["task"] == task.name)]
        count = np.bincount(mine, minlength=len(task.classes))
        share = count / max(count.sum(), 1)
        shares += [
            {"task": task.name, "class": name, "rows": int(n), "share": float(s)}
            for name, n, s in zip(task.classes, count, share, strict=True)
        ]
        said = ", ".join(f"{name} {percent(s)}" for name, s in zip(task.classes, share, strict=True))
        what = (
            f"{task.name.capitalize()}: every class happens often enough to be judged "
            f"({percent(LEAST_SHARE, 0)})"
        )
        findings.append(
            judge(what, bool(share.min() >= LEAST_SHARE), f"{said}, n = {len(mine):,}.", material.walk)
        )
    findings.append(_judge_labels(material))
    return Section("labels", "Definitions of the labels", tuple(findings), {"classes": shares}, facts)


def _judge_labels(material: Material) -> Finding:
    what = "The labels that were scored come out of the stored bars again"
    result = material.result
    assert result is not None
    if result.config.labels != material.bundle.config.labels or result.config.labels.reference == "frozen":
        why = (
            "The walk-forward cut its labels otherwise than the model does, so they cannot be made "
            "again with it."
        )
        return judge(what, None, why, material.walk)
    same = total = 0
    tasks = {task.name: task for task in material.bundle.config.tasks}
    for series in material.series:
        rows = result.rows.loc[
            np.asarray(result.rows["instrument"] == series.instrument)
            & np.asarray(result.rows["timeframe"] == series.timeframe)
        ]
        times = one_column(rows, "ts").dt.tz_localize(None).to_numpy("datetime64[us]")
        place = np.minimum(np.searchsorted(series.ts, times), len(series.ts) - 1)
        there = series.ts[place] == times
        for task in tasks:
            mine = there & np.asarray(rows["task"] == task)
            again = series.labels[task][place[mine]]
            same += int((again == rows["label"].to_numpy(int)[mine]).sum())
            total += int(mine.sum())
    if not total:
        return judge(what, None, "The bars of the walk-forward are not stored.", INGEST)
    said = f"{same:,} of {total:,} labels are the same ({100 * same / total:.2f}%)."
    return judge(what, same / total >= AGREEMENT, said, INGEST)


def describe_changes(material: Material) -> Section:
    """What is known of the version before."""
    what = "What changed since the last version is recorded"
    lineage = material.bundle.metrics.get("lineage")
    if not isinstance(lineage, dict) or not lineage:
        why = f"Version {material.bundle.version} records no version it came from."
        return Section("changes", "Changes since the last version", (judge(what, None, why, material.again),))
    facts = {str(name): str(value) for name, value in lineage.items()}
    said = f"{len(facts)} facts of the version before are recorded."
    found = judge(what, True, said, material.again)
    return Section("changes", "Changes since the last version", (found,), {}, facts)


def _name_tasks(material: Material) -> str:
    return "; ".join(f"{task.name} ({', '.join(task.classes)})" for task in material.bundle.config.tasks)
