"""What the command line prints for people; machines get JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from core.scores.intervals import hold_claims

_SCORES = ("accuracy", "macro_f1", "mcc", "log_loss", "ece")
USES = {
    "train": "the model was trained on bars of this time and has seen what came of this one",
    "calibrate": "this bar helped to choose the model's epoch, temperature, sets or limits",
}
"""What is said of a bar's segment where its outcome helped to make the model."""
_DIFFERENCE = "model minus it, log-loss [95%]"
_COUNTED = (
    "Better or worse is said only where it holds with all comparisons of this table counted (Holm 1979); an "
    "interval alone, which is of one comparison, may exclude zero and still show nothing."
)


def table(rows: list[dict[str, Any]], empty: str) -> str:
    """Rows as aligned columns, or `empty` when there are none."""
    return pd.DataFrame(rows).to_string(index=False) if rows else empty


def show_prediction(result: dict[str, Any]) -> str:
    """One prediction: who, when, and every task with its shares and confidence."""
    lines = [
        f"{result['instrument']} {result['timeframe']}, bar of {result['ts']}, known at {result['known_at']}",
        f"model {result['model_name']} {result['model_version']}, {result['latency_ms']:.0f} ms"
        + _unlike(result),
        *_in_sample(result["segment"]),
        *_caveats(result),
        *_unseen(result),
    ]
    for name, task in result["tasks"].items():
        shares = "  ".join(
            f"{label} {100 * p:.0f}%" for label, p in zip(task["classes"], task["probabilities"], strict=True)
        )
        stated = task["confidence"]
        sure = "" if stated is None else f"  sure {100 * stated:.0f}%"
        none = "" if task["no_call"] is None else f"  no call: {task['no_call']}"
        lines.append(f"{name:<11}{shares}{sure}{none}")
        if stated is not None:
            lines += [f"{'':<11}{said}" for said in _behind(task)]
    return "\n".join(lines)


def show_latest(result: dict[str, Any]) -> str:
    """What is stored of every series: each task's call and its probability, or why there is none."""
    lines = []
    for one in result["series"]:
        said = {"series": f"{one['instrument']} {one['timeframe']}", "bar": one["last"][:16]}
        if one["now"] is None:
            lines.append(said | {"note": one["refused"]})
            continue
        for name, task in one["now"]["tasks"].items():
            top = max(task["probabilities"])
            none = "" if task["no_call"] is None else "no call, "
            said[name] = f"{none}{task['call']} {100 * top:.0f}%"
        lines.append(said)
    shown = pd.DataFrame(lines).fillna("").to_string(index=False) if lines else "No series stored."
    counted = f"{result['predicted']} of {len(result['series'])} series predicted anew, in {result['file']}"
    return "\n".join([shown, *_thresholds(result["thresholds"]), counted])


def _thresholds(found: dict[str, Any]) -> list[str]:
    """What a call must reach to be acted on, by timeframe; the command where no walk-forward can tell."""
    if not found:
        return ["no thresholds: run python -m core walk-forward"]
    return [
        f"thresholds of {timeframe}: {one}"
        if isinstance(one, str)
        else f"thresholds of {timeframe}: probability {100 * one['probability']:.0f}%, sure "
        f"{100 * one['confidence']:.0f}%"
        if one["trading"]
        else f"thresholds of {timeframe}: none paid on the calibrate bars, no call is acted on"
        for timeframe, one in found.items()
    ]


def _unlike(result: dict[str, Any]) -> str:
    return ", UNLIKE ITS TRAINING DATA" if result["out_of_distribution"] else ""


def _in_sample(segment: str) -> list[str]:
    """A line that says so where the bar's outcome helped to make the model."""
    return [f"IN SAMPLE: {USES[segment]}"] if segment in USES else []


def _caveats(result: dict[str, Any]) -> list[str]:
    return [f"NOTE: {sentence}" for sentence in result["caveats"]]


def _unseen(result: dict[str, Any]) -> list[str]:
    unseen = [] if result["known_instrument"] else [result["instrument"]]
    unseen += [] if result["known_timeframe"] else [f"{result['timeframe']} bars"]
    return [f"trained without {' and '.join(unseen)}"] if unseen else []


def _behind(task: dict[str, Any]) -> list[str]:
    """What a confidence is made of, and where its sources stand among past bars."""
    ranks = ", ".join(f"{name} {100 * rank:.0f}%" for name, rank in task["source_ranks"].items())
    raw = ", ".join(f"{name} {value:.4f}" for name, value in task["sources"].items())
    stand = f"higher than on past bars: {ranks}" if ranks else f"{raw} (this model keeps no ranks of them)"
    return [f"sure by {task['confidence_made_of']}", stand]


def show_evaluation(result: dict[str, Any]) -> str:
    """The model and its baselines, one row each, per task."""
    rows = []
    for task, scores in result["tasks"].items():
        for who, values in [("model", scores["model"]), *scores["baselines"].items()]:
            numbers = {score: _number(values[score]) for score in _SCORES}
            difference = values.get("model_minus_baseline")
            beside = "" if difference is None else _with_interval(*difference)
            rows.append({"task": task, "who": who, "rows": scores["rows"], **numbers, _DIFFERENCE: beside})
    shown = table(rows, "no rows to score")
    unlabelled = [
        f"{key}: {count:,} bars without a class of volatility and regime, too few bars known before them"
        for key, count in result.get("unlabelled", {}).items()
    ]
    undecided = [
        f"{key}: {count:,} bars left out of some task, the bars that decide their outcome are not stored"
        for key, count in result.get("undecided", {}).items()
    ]
    alike = result.get("scaled_alike", True)
    unscaled = [] if alike else ["baselines without a temperature: no bar to fit it on is stored"]
    notes = [*unscaled, *unlabelled, *undecided]
    return "\n".join([*_sample_line(result.get("segments", {})), shown, *notes])


def _sample_line(segments: dict[str, int]) -> list[str]:
    """How many of the bars scored helped to make the model, where any did."""
    used = [f"{count:,} {segment}" for segment, count in segments.items() if segment in USES]
    if not used:
        return []
    return [
        f"IN SAMPLE: of {sum(segments.values()):,} bars {' and '.join(used)} bars helped to make the model"
    ]


def show_ingest(result: dict[str, Any]) -> str:
    """What became of each file, and what the quality gate found."""
    if "skipped" in result:
        return f"Nothing to do: {result['skipped']}."
    lines = ["Rehearsed only, nothing is written."] if result["rehearsed"] else []
    for report in result["files"]:
        other = f" ({report['changed']:,} with other values)" if report["changed"] else ""
        lines.append(
            f"{report['name']}: {report['rows']:,} rows read, {report['inserted']:,} bars new, "
            f"{report['updated']:,} written over{other}, {report['dropped']:,} dropped"
        )
        lines += [f"  guess: {guess}" for guess in report["guessed"]]
        lines += [f"  note: {note}" for note in report["notes"]]
        lines += [
            "  {instrument} {timeframe}: {verdict}, {check}: {detail}".format(**found)
            for found in report["findings"]
        ]
    return "\n".join(lines)


def show_delete(result: dict[str, Any]) -> str:
    """What was deleted."""
    return f"{result['instrument']} {result['timeframe']}: {result['deleted']:,} bars deleted."


def show_training(result: dict[str, Any]) -> str:
    """Where the bundle lies and what it scores on its segments."""
    lines = [f"Model {result['name']} {result['version']} written to {result['folder']}"]
    for segment, scores in result["metrics"]["segments"].items():
        lines += ["", f"{segment}:", show_evaluation({"tasks": scores})]
    return "\n".join(lines)


def show_walk_forward(result: dict[str, Any]) -> str:
    """Pooled scores of every task beside the baselines."""
    rows, compared = [], []
    for task, entry in result["summary"].items():
        pooled = entry["pooled"]
        for who, scores in [("model", pooled["model"]), *pooled["baselines"].items()]:
            numbers = {score: _number(scores[score]["value"]) for score in _SCORES}
            found = scores.get("model_minus_baseline")
            beside = "" if found is None else _with_interval(found["value"], found["low"], found["high"])
            rows.append({"task": task, "who": who, "rows": pooled["rows"], **numbers, _DIFFERENCE: beside})
            compared.append(found or {})
    held = hold_claims([found.get("p", np.nan) for found in compared])
    for row, found, holds in zip(rows, compared, held, strict=True):
        row["the model is"] = _claim(found["value"], holds) if found else ""
    folds = f"{result['folds']} folds in {result['folder']}"
    return f"{folds}\n\n{table(rows, 'no rows')}\n\n{_COUNTED}"


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


def show_left_out(result: dict[str, Any]) -> str:
    """Each instrument's loss with and without having been trained on."""
    rows = [
        {
            "task": score["task"],
            "instrument": score["instrument"],
            "rows": score["rows"],
            "seen": _number(score["seen"]),
            "unseen": _number(score["unseen"]),
            "unseen minus seen [95%]": _bracketed(score["difference"]),
        }
        for score in result["scores"]
    ]
    return table(rows, "no rows")


def show_explanation(result: dict[str, Any]) -> str:
    """The prediction, its strongest causes, the check, and how far the method can be trusted."""
    task, target = result["task"], result["class"]
    said = result["prediction"][task]
    shares = "  ".join(
        f"{name} {100 * p:.0f}%" for name, p in zip(said["classes"], said["probabilities"], strict=True)
    )
    lines = [
        f"{result['instrument']} {result['timeframe']}, bar of {result['ts']}, known at {result['known_at']}",
        f"model {result['model_name']} {result['model_version']}, {task}: {shares}{_unlike(result)}",
        *_in_sample(result["segment"]),
        *_caveats(result),
        "",
        f"Why {target}? By {result['method']}, in log-odds; P below is before calibration:",
        *_member_line(result),
        _reference_line(result),
        *(_cause_line(number, cause, result) for number, cause in enumerate(result["causes"], 1)),
        "",
        result["removal"]["sentence"],
        f"Removing cells by this ranking: area {result['deletion_area']:.3f}, at random "
        f"{result['random_deletion_area']:.3f} (smaller is better).",
        f"Putting them back by it: area {result['insertion_area']:.3f}, at random "
        f"{result['random_insertion_area']:.3f} (larger is better).",
        f"Better than {result['deletion_rank']} of {result['random_orders']} random orders at removing, "
        f"{result['insertion_rank']} at putting back: {_check_verdict(result)}",
        _completeness_line(result),
    ]
    score = result["planted_auprc"]
    lines.append(
        "Planted market: not measured for this method and reference; python -m core evidence"
        if score is None
        else f"Planted market: finds known causes with AUPRC {score:.2f} (1 is perfect)."
    )
    if "report" in result:
        lines += ["", f"Report: {result['report']['file']}, {result['report']['bytes'] / 1e6:.1f} MB"]
    return "\n".join(lines)


def _check_verdict(result: dict[str, Any]) -> str:
    if not result["better_than_random"]:
        return "NOT more than chance, do not trust it."
    moved = f"by {100 * result['effect']:.1f} points of probability on average"
    if not result["holds"]:
        return f"but {moved}, which tells NOTHING below {100 * result['least_effect']:.0f}."
    attention = {True: ", better than attention's order too", False: ", not better than attention's order"}
    return f"more than chance, {moved}{attention.get(result['beats_attention'], '')}."


def _member_line(result: dict[str, Any]) -> list[str]:
    if result["member"] is None:
        return []
    return [
        f"Member {result['member']} of {result['members']} alone: it says P({result['class']}) "
        f"{result['probability']:.2f}, all together {result['probability_of_all']:.2f}."
    ]


def _reference_line(result: dict[str, Any]) -> str:
    reference = result["reference"]
    count, name = reference["windows"], reference["name"].replace("_", " ")
    name = f"{count} {name}" if count > 1 else name
    line = (
        f"Reference: {name} of {result['instrument']}, P({result['class']}) {reference['probability']:.2f}, "
        f"window {result['probability']:.2f}"
    )
    line += (
        ": they say the same, so there is next to nothing to explain."
        if reference["says_the_same"]
        else ": explained is the difference."
    )
    if reference["out_of_distribution"]:
        line += (
            f" The reference lies {reference['distance']:.1f} times as far out as the model knows its way; "
            "what is said against it may mean little."
        )
    return line


def _cause_line(number: int, cause: dict[str, Any], result: dict[str, Any]) -> str:
    times = result["bar_times"]
    first, last = (
        times[cause[end]][: 10 if result["timeframe"] in ("1d", "1w") else 16] for end in ("first", "last")
    )
    what = ", ".join(cause["features"]) or "all features"
    level = ""
    if cause["market"] is not None:
        level = f", {cause['market']:.4g} on average (the reference has {cause['usual']:.4g})"
    return (
        f"  {number}. {what}, {first} to {last}{level}: {cause['value']:+.3f}; without it "
        f"P({result['class']}) {cause['before']:.2f} -> {cause['after']:.2f}"
    )


def _completeness_line(result: dict[str, Any]) -> str:
    error = result["completeness_error"]
    if error is None:
        return "Completeness: this method does not promise that its values add up."
    whole = result["output"] - result["reference_output"]
    return (
        f"Completeness: the values add up to {whole:+.3f} with an error of "
        f"{100 * error:.2g}% ({result['steps']} steps, {result['seconds']:.1f} s)."
    )


def show_evidence(result: dict[str, Any]) -> str:
    """What was measured, and where it lies."""
    rows = [
        {
            "part": part,
            "seconds": f"{entry['seconds']:,.0f}" + (" (before the interruption)" if entry["kept"] else ""),
            "file": entry["file"],
        }
        for part, entry in result["parts"].items()
    ]
    return f"Explanations of {result['model']} {result['version']}:\n{table(rows, 'nothing measured')}"


def show_selection(result: dict[str, Any]) -> str:
    """Which features may go, and what the model is worth without them."""
    if not result["removed"]:
        return f"No feature of {result['model']} may go: each counts above the threshold for some task."
    gone = ", ".join(result["removed"])
    return f"{len(result['removed'])} features may go: {gone}\n\n{show_ablation(result)}"


def _bracketed(found: dict[str, Any] | None) -> str:
    return "-" if found is None else _with_interval(found["value"], found["low"], found["high"])


def _claim(difference: float, holds: bool) -> str:
    if not holds:
        return "no difference shown"
    return "better" if difference < 0 else "worse"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _with_interval(value: float | None, low: float | None, high: float | None) -> str:
    if value is None or low is None or high is None:
        return "-"
    return f"{value:+.4f} [{low:+.4f}, {high:+.4f}]"
