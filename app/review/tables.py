"""Tables of the review pages to read, in words and percent."""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd

from app.review.words import SCORE_WORDS
from app.words.confidence import stated_title
from app.words.numbers import percent, true_minus, with_interval
from core.confidence.choice import ALONE, Method
from core.confidence.composition import FORMS
from core.review.calibration import MEASURES
from core.review.performance import MODEL
from core.scores.intervals import TOO_ALIKE

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


def errors_table(errors: pd.DataFrame) -> pd.DataFrame:
    """`score_errors` to read: calibration errors in points of percent, Brier parts as they are."""
    lines = []
    for name, line in errors.to_dict("index").items():
        is_error, limit = name in MEASURES, line["p95"]
        so = "within chance" if line["value"] <= limit else "more than chance"
        scale, digits = (100, 1) if is_error else (1, 4)
        lines.append(
            {
                "what": ERROR_TITLES[str(name)] + (", points" if is_error else ""),
                "measured": with_interval(line["value"], line["low"], line["high"], scale, digits),
                "perfect, up to": f"{100 * limit:.1f}" if np.isfinite(limit) else "–",
                "so": so if np.isfinite(limit) else f"cannot be told: {TOO_ALIKE}" if is_error else "",
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
            "perfect, up to": [f"{100 * v:.1f}" if np.isfinite(v) else "–" for v in compared["p95"]],
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
                "" if itself else _claim(difference, holds, "worse", "better")
                for itself, difference, holds in zip(alone, losses[:, 0], forms["loss_holds"], strict=True)
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


def _so(low: float, high: float, above: str, below: str, neither: str = "no difference shown") -> str:
    if low > 0:
        return above
    return below if high < 0 else neither


def verdict(difference: float, holds: bool) -> str:
    """In words what (model - baseline) log-loss shows, all comparisons of its table counted."""
    return _claim(difference, holds, "the model is worse", "the model is better")


def _claim(difference: float, holds: bool, above: str, below: str) -> str:
    if not holds:
        return "no difference shown"
    return below if difference < 0 else above


def scores_table(table: pd.DataFrame) -> pd.DataFrame:
    """`tabulate_scores` to read: one row a forecaster, the model's difference in words."""
    lines: dict[str, list[str]] = {"forecaster": [str(name) for name in table.index]}
    lines["model less baseline, log-loss"] = [
        with_interval(line[0], line[1], line[2], 1, 4)
        for line in table[["difference", "difference_low", "difference_high"]].to_numpy()
    ]
    lines["so"] = [
        "" if name == MODEL else verdict(difference, holds)
        for name, difference, holds in zip(table.index, table["difference"], table["holds"], strict=True)
    ]
    for name, spec in SCORE_WORDS.items():
        scale, digits = (100, 1) if spec.percent else (1, 4)
        values = table[[name, f"{name}_low", f"{name}_high"]].to_numpy()
        lines[spec.technical.split(" (")[0].split(",")[0] + (", %" if spec.percent else "")] = [
            with_interval(line[0], line[1], line[2], scale, digits) for line in values
        ]
    return pd.DataFrame(lines)
