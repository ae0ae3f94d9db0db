"""Tables and sentences of the review pages, in words and percent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd

from app.figures.theme import class_sign
from app.words.confidence import count_sources, stated_title
from app.words.numbers import listed, percent, span, true_minus, with_interval
from core.confidence.choice import ALONE, Method
from core.confidence.composition import FORMS
from core.review.acting import Acting
from core.review.performance import MODEL
from core.review.rows import ReviewRows, RowFilter
from core.review.sets import FOLLOWED, SetsHeld


@dataclass(frozen=True)
class ScoreWords:
    """One score: what a person calls it, the technical word with its paper, which side is better."""

    label: str
    technical: str
    higher_is_better: bool
    percent: bool = False


SCORE_WORDS = {
    "log_loss": ScoreWords("surprise at what happened", "log-loss in nats (Good 1952)", False),
    "accuracy": ScoreWords("share right", "accuracy", True, True),
    "macro_f1": ScoreWords("balance of finding and not crying wolf", "macro F1, mean over classes", True),
    "mcc": ScoreWords("agreement beyond chance", "Matthews correlation, multiclass (Gorodkin 2004)", True),
    "brier": ScoreWords("squared error of the probabilities", "Brier score, 0 to 2 (Brier 1950)", False),
    "ece": ScoreWords("gap between stated and true", "ECE, 15 equal bins (Naeini et al. 2015)", False, True),
    "precision": ScoreWords("right, of what it called", "macro precision", True, True),
    "recall": ScoreWords("found, of what happened", "macro recall", True, True),
}
"""By name, as `core.review.performance.SCORES`."""

ERROR_TITLES = {
    "ece": "mean gap, stated to true (ECE)",
    "ece_mass": "same, bins of equal count (ECE)",
    "mce": "largest gap of any bin (MCE)",
    "smooth_ece": "mean gap without bins (smooth ECE)",
    "brier": "squared error (Brier)",
    "brier_reliability": "of it, wrong probabilities (reliability)",
    "brier_resolution": "earned by telling cases apart (resolution)",
    "brier_uncertainty": "what no one can avoid (uncertainty)",
    "brier_within_bin": "left over inside bins (within bin)",
}
"""Calibration errors and parts of the Brier score, as `core.review.calibration` names them."""


def scope_sentence(rows: ReviewRows, chosen: RowFilter, beside_strip: bool) -> str:
    """What is under review, and that the bar of the strip above (where there is one) is not."""
    instrument = chosen.instrument or "all instruments"
    first, last = (np.datetime_as_string(at, unit="D") for at in (rows.times[0], rows.times[-1]))
    return (
        f":material/fact_check: **{len(rows):,} {chosen.task} predictions of {instrument}**, {first} to "
        f"{last}, each at a bar its model had not been trained on."
        + (" The bar chosen at the top plays no part here." if beside_strip else "")
    )


def acting_sentence(acting: Acting, line: int) -> str:
    """How many calls from `line` percent on, how many right, of which kind; Markdown."""
    calls, right = acting.calls[:, line], acting.right[:, line]
    acted = int(calls.sum())
    above = "Acting on everything" if line == 0 else f"Above {line}%"
    if not acted:
        return f"**{above} it would never have acted**: none of {acting.total:,} predictions was that sure."
    found = acting.share_right(line)
    spread = f" {span(found.low, found.high)}" if np.isfinite(found.low) else ""
    kinds = "; ".join(
        f"{n:,} {class_sign(name)} {name} right {percent(r / n)}"
        for name, n, r in zip(acting.classes, calls, right, strict=True)
        if n
    )
    return (
        f"**{above} it would have acted {acted:,} times** ({percent(acted / acting.total)} of "
        f"{acting.total:,}) **and been right {percent(found.value)}{spread}**: {kinds}."
    )


def error_sentence(errors: pd.DataFrame, n: int) -> str:
    """The ECE beside what a perfect model would show at this many rows."""
    ece, limit = float(errors.loc["ece", "value"]), float(errors.loc["ece", "p95"])  # type: ignore[arg-type]
    verdict = "no more than chance explains" if ece <= limit else "more than chance explains"
    return (
        f"Off by **{100 * ece:.1f} points** on average: **{verdict}**. A perfect model would show up to "
        f"{100 * limit:.1f} at these {n:,} predictions."
    )


def sets_sentence(found: SetsHeld | None, level: float) -> str:
    """How often the sets held what happened beside what they promise, and how many classes they took."""
    promised = f"{100 * level:g}%"
    if found is None:
        return f"Some folds held back too few bars to fit sets at {promised}: choose the others by Fold."
    held = found.held
    if held.high < level:
        verdict = "fewer than promised"
    else:
        verdict = "more than promised" if held.low > level else "as promised, within chance"
    return (
        f"**Promised {promised}, held {percent(held.value, 1)}** {span(held.low, held.high, 1)}: "
        f"**{verdict}**, with {found.size:.2f} of {found.classes} classes in a set (all of them would always "
        f"hold it). With a threshold that follows the last {FOLLOWED} outcomes: "
        f"{percent(found.following, 1)} and {found.following_size:.2f} classes."
    )


def errors_table(errors: pd.DataFrame) -> pd.DataFrame:
    """`score_errors` to read: calibration errors in points of percent, Brier parts as they are."""
    lines = []
    for name, line in errors.to_dict("index").items():
        is_error = np.isfinite(line["p95"])
        scale, digits = (100, 1) if is_error else (1, 4)
        lines.append(
            {
                "what": ERROR_TITLES[str(name)] + (", points" if is_error else ""),
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


def forms_table(forms: pd.DataFrame) -> pd.DataFrame:
    """`compare_forms` to read."""
    ends = ("beside", "low", "high")
    losses, areas = (forms[[f"{kind}_{end}" for end in ends]].to_numpy() for kind in ("loss", "aurc"))
    alone = [name == ALONE for name in forms.index]
    return pd.DataFrame(
        {
            "made of": [
                "what each fold chose" if name == "confidence" else FORMS[cast(Method, name)]
                for name in forms.index
            ],
            "log-loss of being right": [f"{value:.4f}" for value in forms["loss"]],
            "less the probability alone": [
                "–" if itself else true_minus(with_interval(*line, scale=1, digits=4))
                for itself, line in zip(alone, losses, strict=True)
            ],
            "so": [
                "" if itself else _so(low, high, "worse", "better")
                for itself, (_, low, high) in zip(alone, losses, strict=True)
            ],
            "AURC, %": [f"{100 * value:.2f}" for value in forms["aurc"]],
            "less the probability alone's, points": [
                "–" if itself else true_minus(with_interval(*line, digits=2))
                for itself, line in zip(alone, areas, strict=True)
            ],
            "so ": [
                "" if itself else _so(low, high, "worse", "better")
                for itself, (_, low, high) in zip(alone, areas, strict=True)
            ],
        }
    )


def forms_sentence(forms: pd.DataFrame) -> str:
    """Whether anything with the sources beats the probability alone on these rows; Markdown."""
    others = forms.drop(index=[ALONE, "confidence"], errors="ignore")
    shown = others.index[others["loss_high"].to_numpy() < 0]
    better = [FORMS[cast(Method, name)] for name in shown]
    if better:
        return f"**Better than the probability alone when it comes to being right: {listed(better)}.**"
    return "**The sources add nothing to the probability that can be shown on these predictions.**"


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


def verdict(low: float, high: float) -> str:
    """In words what the interval of (model - baseline) log-loss says."""
    return _so(low, high, "the model is worse", "the model is better")


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
    for name, spec in SCORE_WORDS.items():
        scale, digits = (100, 1) if spec.percent else (1, 4)
        values = table[[name, f"{name}_low", f"{name}_high"]].to_numpy()
        lines[spec.technical.split(" (")[0].split(",")[0] + (", %" if spec.percent else "")] = [
            with_interval(line[0], line[1], line[2], scale, digits) for line in values
        ]
    return pd.DataFrame(lines)
