"""Tables and sentences of the review pages, in words and percent."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from app.figures.theme import class_sign
from app.words.confidence import count_sources, stated_title
from app.words.numbers import listed, percent, with_interval
from core.review.acting import Acting
from core.review.performance import MODEL, SCORES, verdict
from core.review.rows import ReviewRows, RowFilter

_SHORT = {
    "ece": "ECE",
    "ece_mass": "ECE",
    "mce": "MCE",
    "smooth_ece": "smooth ECE",
    "brier": "Brier",
    "brier_reliability": "reliability",
    "brier_resolution": "resolution",
    "brier_uncertainty": "uncertainty",
    "brier_within_bin": "within bin",
}


def scope_sentence(rows: ReviewRows, chosen: RowFilter, beside_strip: bool) -> str:
    """What is under review, and that the bar of the strip above (where there is one) is not."""
    instrument = chosen.instrument or "all instruments"
    first, last = (np.datetime_as_string(at, unit="D") for at in (rows.times[0], rows.times[-1]))
    return (
        f":material/fact_check: **{len(rows):,} {chosen.task} predictions of {instrument}**, {first} to "
        f"{last}, each at a bar its model had not been trained on."
        + (" The bar chosen at the top plays no part here." if beside_strip else "")
    )


def acting_sentence(acting: Acting, percent: int) -> str:
    """How many calls, how many right, of which kind; bold where it matters (Markdown)."""
    calls, right = acting.calls[:, percent], acting.right[:, percent]
    acted = int(calls.sum())
    above = "Acting on everything" if percent == 0 else f"Above {percent}%"
    if not acted:
        return f"**{above} it would never have acted**: none of {acting.total:,} predictions was that sure."
    found = acting.share_right(percent)
    spread = f" [{100 * found.low:.0f}, {100 * found.high:.0f}]" if np.isfinite(found.low) else ""
    kinds = "; ".join(
        f"{n:,} {class_sign(name)} {name} right {100 * r / n:.0f}%"
        for name, n, r in zip(acting.classes, calls, right, strict=True)
        if n
    )
    return (
        f"**{above} it would have acted {acted:,} times** ({100 * acted / acting.total:.0f}% of "
        f"{acting.total:,}) **and been right {100 * found.value:.0f}%{spread}**: {kinds}."
    )


def errors_table(errors: pd.DataFrame, labels: Mapping[str, str]) -> pd.DataFrame:
    """`score_errors` to read: calibration errors in points of percent, Brier parts as they are."""
    lines = []
    for name, line in errors.to_dict("index").items():
        is_error = np.isfinite(line["p95"])
        scale, digits = (100, 1) if is_error else (1, 4)
        short = f" ({_SHORT[str(name)]})"
        lines.append(
            {
                "what": labels[str(name)] + short + (", points" if is_error else ""),
                "measured": with_interval(line["value"], line["low"], line["high"], scale, digits),
                "perfect, up to": f"{100 * line['p95']:.1f}" if is_error else "–",
                "so": ""
                if not is_error
                else ("within chance" if line["value"] <= line["p95"] else "more than chance"),
            }
        )
    return pd.DataFrame(lines)


def sets_table(counted: pd.DataFrame, classes: int) -> pd.DataFrame:
    """`count_sets` to read."""
    words = {1: "one class", 2: "two classes", classes: "every class: nothing ruled out"}
    return pd.DataFrame(
        {
            "the set held": [words.get(int(k), f"{k} classes") for k in counted["classes"]],
            "how often": [percent(v, 1) for v in counted["share"]],
            "held what happened": [percent(v, 1) for v in counted["held"]],
            "n": [f"{int(v):,}" for v in counted["sets"]],
        }
    )


def compared_table(compared: pd.DataFrame) -> pd.DataFrame:
    """`compare_stated` to read."""
    return pd.DataFrame(
        {
            "confidence": [stated_title(str(name)) for name in compared.index],
            "said": [percent(v, 1) for v in compared["mean_stated"]],
            "was right": [percent(v, 1) for v in compared["right"]],
            "off by (ECE)": [f"{100 * v:.1f}" for v in compared["ece"]],
            "perfect, up to": [f"{100 * v:.1f}" for v in compared["p95"]],
            "AURC": [f"{v:.4f}" for v in compared["aurc"]],
            "n": [f"{int(v):,}" for v in compared["rows"]],
        }
    )


def areas_table(areas: pd.DataFrame) -> pd.DataFrame:
    """`score_areas` to read."""
    return pd.DataFrame(
        {
            "confidence": [stated_title(str(name)) for name in areas.index],
            "share wrong, mean over all shares acted on (AURC, %)": [
                with_interval(*line) for line in areas[["aurc", "low", "high"]].to_numpy()
            ],
            "gain over a random order, points": [
                with_interval(*line, digits=2) for line in areas[["gain", "gain_low", "gain_high"]].to_numpy()
            ],
            "so": [
                _so(low, high, "better than random", "worse than random")
                for low, high in areas[["gain_low", "gain_high"]].to_numpy()
            ],
        }
    )


def left_out_table(table: pd.DataFrame) -> pd.DataFrame:
    """`leave_out` to read."""
    lines: dict[str, list[str]] = {"source": [stated_title(str(name)) for name in table.index]}
    for kind in ("raw", "mix"):
        values = table[[f"{kind}_{part}" for part in ("value", "low", "high")]].to_numpy()
        name = "sum" if kind == "raw" else "learned mix"
        lines[f"adds to the {name}, points"] = [with_interval(*line, digits=2) for line in values]
        lines["so" if kind == "raw" else "so "] = [
            _so(low, high, "helps", "harms", "unclear") for _, low, high in values
        ]
    return pd.DataFrame(lines)


def left_out_sentence(table: pd.DataFrame) -> str:
    """Which sources help the sum and the learned mix, by intervals that exclude zero."""
    parts = []
    for kind, name in (("raw", f"sum of {count_sources()}"), ("mix", "learned mix")):
        if not np.isfinite(table[f"{kind}_value"].to_numpy(float)).any():
            continue
        lines = table.to_dict("index").items()
        helping = [stated_title(str(n)) for n, line in lines if line[f"{kind}_low"] > 0]
        harming = [stated_title(str(n)) for n, line in lines if line[f"{kind}_high"] < 0]
        said = [f"{listed(helping)} help" + ("s" if len(helping) == 1 else "")] if helping else []
        said += [f"{listed(harming)} harm" + ("s" if len(harming) == 1 else "")] if harming else []
        parts.append(f"in the {name}: {', '.join(said) or 'no source is shown to help or to harm'}")
    sentence = "; ".join(parts)
    return f"**{sentence[:1].upper()}{sentence[1:]}.** Of what is not named neither is shown."


def rolling_share(acted: np.ndarray, correct: np.ndarray, last: np.ndarray, window: int) -> np.ndarray:
    """(K,) share right of what was acted on among the `window` rows up to each of `last`; NaN without any."""
    calls = np.concatenate([[0], np.cumsum(acted)])
    right = np.concatenate([[0], np.cumsum(acted & correct)])
    made = calls[last + 1] - calls[last + 1 - window]
    return np.where(made > 0, (right[last + 1] - right[last + 1 - window]) / np.maximum(made, 1), np.nan)


def _so(low: float, high: float, above: str, below: str, neither: str = "no difference shown") -> str:
    if low > 0:
        return above
    return below if high < 0 else neither


def scores_table(table: pd.DataFrame) -> pd.DataFrame:
    """`tabulate_scores` to read: one row a forecaster, the model's difference in words."""
    lines: dict[str, list[str]] = {"forecaster": [str(name) for name in table.index]}
    lines["model less baseline, log-loss"] = [
        with_interval(line[0], line[1], line[2], 1, 4)
        for line in table[["difference", "difference_low", "difference_high"]].to_numpy()
    ]
    lines["so"] = [
        "" if name == MODEL else verdict(low, high)
        for name, low, high in zip(
            table.index, table["difference_low"], table["difference_high"], strict=True
        )
    ]
    for name, spec in SCORES.items():
        scale, digits = (100, 1) if spec.percent else (1, 4)
        values = table[[name, f"{name}_low", f"{name}_high"]].to_numpy()
        lines[spec.technical.split(" (")[0].split(",")[0] + (", %" if spec.percent else "")] = [
            with_interval(line[0], line[1], line[2], scale, digits) for line in values
        ]
    return pd.DataFrame(lines)
