"""What the command line prints for people; machines get JSON."""

from __future__ import annotations

from typing import Any

import pandas as pd

_SCORES = ("accuracy", "macro_f1", "mcc", "log_loss", "ece")
_DIFFERENCE = "model minus it, log-loss [95%]"


def table(rows: list[dict[str, Any]], empty: str) -> str:
    """Rows as aligned columns, or `empty` when there are none."""
    return pd.DataFrame(rows).to_string(index=False) if rows else empty


def show_prediction(result: dict[str, Any]) -> str:
    """One prediction: who, when, and every task with its shares and confidence."""
    lines = [
        f"{result['instrument']} {result['timeframe']}, bar of {result['ts']}, known at {result['known_at']}",
        f"model {result['model_name']} {result['model_version']}, {result['latency_ms']:.0f} ms"
        + (", UNLIKE ITS TRAINING DATA" if result["out_of_distribution"] else ""),
    ]
    for name, task in result["tasks"].items():
        shares = "  ".join(
            f"{label} {100 * p:.0f}%" for label, p in zip(task["classes"], task["probabilities"], strict=True)
        )
        stated = task["confidence"]
        sure = "" if stated is None else f"  sure {100 * stated:.0f}%"
        lines.append(f"{name:<11}{shares}{sure}")
    return "\n".join(lines)


def show_evaluation(result: dict[str, Any]) -> str:
    """The model and its baselines, one row each, per task."""
    rows = []
    for task, scores in result["tasks"].items():
        for who, values in [("model", scores["model"]), *scores["baselines"].items()]:
            numbers = {score: _number(values[score]) for score in _SCORES}
            difference = values.get("model_minus_baseline")
            beside = "" if difference is None else _with_interval(*difference)
            rows.append({"task": task, "who": who, "rows": scores["rows"], **numbers, _DIFFERENCE: beside})
    return table(rows, "no rows to score")


def show_ingest(result: dict[str, Any]) -> str:
    """What became of each file, and what the quality gate found."""
    if "skipped" in result:
        return f"Nothing to do: {result['skipped']}."
    lines = []
    for report in result["files"]:
        lines.append(
            f"{report['name']}: {report['rows']:,} rows read, {report['inserted']:,} bars new, "
            f"{report['updated']:,} written over, {report['dropped']:,} dropped"
        )
        lines += [f"  note: {note}" for note in report["notes"]]
        lines += [
            "  {instrument} {timeframe}: {verdict}, {check}: {detail}".format(**found)
            for found in report["findings"]
        ]
    return "\n".join(lines)


def show_training(result: dict[str, Any]) -> str:
    """Where the bundle lies and what it scores on its three segments."""
    lines = [f"Model {result['name']} {result['version']} written to {result['folder']}"]
    for segment, scores in result["metrics"]["segments"].items():
        lines += ["", f"{segment}:", show_evaluation({"tasks": scores})]
    return "\n".join(lines)


def show_walk_forward(result: dict[str, Any]) -> str:
    """Pooled scores of every task beside the baselines."""
    rows = []
    for task, entry in result["summary"].items():
        pooled = entry["pooled"]
        for who, scores in [("model", pooled["model"]), *pooled["baselines"].items()]:
            numbers = {score: _number(scores[score]["value"]) for score in _SCORES}
            found = scores.get("model_minus_baseline")
            beside = "" if found is None else _with_interval(found["value"], found["low"], found["high"])
            rows.append({"task": task, "who": who, "rows": pooled["rows"], **numbers, _DIFFERENCE: beside})
    return f"{result['folds']} folds in {result['folder']}\n\n{table(rows, 'no rows')}"


def show_ablation(result: dict[str, Any]) -> str:
    """Every arm and baseline beside the whole model and LightGBM, on the same rows."""
    rows = []
    for arm in sorted(result["arms"], key=lambda arm: arm["task"]):
        beside = arm["beside"].get("lightgbm")
        rows.append(
            {
                "task": arm["task"],
                "arm": arm["arm"],
                "rows": arm["rows"],
                "calibrate": _number(arm["calibrate_log_loss"]),
                "log_loss": _number(arm["log_loss"]),
                "minus whole model [95%]": _with_interval(arm["difference"], arm["low"], arm["high"]),
                "minus LightGBM [95%]": _bracketed(beside),
                "accuracy": _number(arm["accuracy"]["value"]),
                "mcc": _number(arm["mcc"]["value"]),
                "the arm is": arm["verdict"],
            }
        )
    return table(rows, "no rows")


def _bracketed(found: dict[str, Any] | None) -> str:
    return "-" if found is None else _with_interval(found["value"], found["low"], found["high"])


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _with_interval(value: float | None, low: float | None, high: float | None) -> str:
    if value is None or low is None or high is None:
        return "-"
    return f"{value:+.4f} [{low:+.4f}, {high:+.4f}]"
