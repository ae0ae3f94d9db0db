"""What a walk-forward is, in memory: one record per fold, and the whole with its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from core.config import Config
from core.data.segments import SegmentBorders


@dataclass(frozen=True)
class FoldRecord:
    """How one fold was made.

    Attributes
    ----------
    borders
        Of its segments.
    rows
        Test rows scored, by task.
    audit
        ``{object: {"AAPL|1d": {"first", "last", "rows", "label_end"}}}``: the bars every fitted object saw,
        and the last bar their labels look at where it saw labels.
    skipped
        Series left out of the fold, with the reason.
    suspicious
        Features that go with the coming move as none should, with their rank correlation in training.
    confidence
        Calibrators by task as plain numbers; None where the calibrate segment had too few labels.
    mixes
        Learned mixes by task: ``all`` of the sources and, by its name, without each of them, fitted on the
        calibrate segment again: ``weights``, ``intercept`` and ``aurc`` on the fold's test rows. Empty in
        results written before these were kept.
    best_epochs, scales, seconds, history, importance
        Of the model's training, as in `core.training.members.TrainingResult`.
    baselines
        What each fitted baseline chose on the calibrate segment, by task.
    """

    index: int
    borders: SegmentBorders
    rows: dict[str, int]
    audit: dict[str, dict[str, dict[str, Any]]]
    skipped: dict[str, str]
    suspicious: dict[str, float]
    confidence: dict[str, dict[str, Any] | None]
    best_epochs: tuple[int, ...]
    scales: dict[str, float]
    seconds: float
    history: pd.DataFrame
    importance: pd.DataFrame
    baselines: dict[str, dict[str, Any]]
    mixes: dict[str, dict[str, dict[str, Any]]]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "index": self.index,
            "borders": self.borders.to_dict(),
            "rows": self.rows,
            "audit": self.audit,
            "skipped": self.skipped,
            "suspicious": self.suspicious,
            "confidence": self.confidence,
            "best_epochs": list(self.best_epochs),
            "scales": self.scales,
            "seconds": self.seconds,
            "history": self.history.to_dict(orient="list"),
            "importance": self.importance.to_dict(orient="list"),
            "baselines": self.baselines,
            "mixes": self.mixes,
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> FoldRecord:
        """The inverse of `to_dict`."""
        return cls(
            index=int(raw["index"]),
            borders=SegmentBorders.from_dict(raw["borders"]),
            rows=dict(raw["rows"]),
            audit=dict(raw["audit"]),
            skipped=dict(raw["skipped"]),
            suspicious=dict(raw["suspicious"]),
            confidence=dict(raw["confidence"]),
            # Folds written before ensembles name the one epoch they kept.
            best_epochs=tuple(raw["best_epochs"] if "best_epochs" in raw else [raw["best_epoch"]]),
            scales=dict(raw.get("scales", {})),
            seconds=float(raw["seconds"]),
            history=pd.DataFrame(raw["history"]),
            importance=pd.DataFrame(raw["importance"]),
            baselines=dict(raw["baselines"]),
            mixes=dict(raw.get("mixes", {})),
        )


@dataclass(frozen=True)
class WalkForwardResult:
    """A finished walk-forward.

    Attributes
    ----------
    rows
        One row per fold, series, bar and task with a label, folds in order. ``fold``, ``segment``,
        ``instrument``, ``timeframe``, ``ts``, ``task``, ``label``, ``label_end``; ``logit_c``, ``p_c``
        (temperature-scaled) and ``u_c`` (plain softmax) per class c, NaN where the task has fewer classes;
        ``head_confidence``, the sources, ``raw`` (their weighted sum), ``rank_NAME`` of each among the
        fold's calibrate bars, the forms of P(correct)
        ``temperature`` (the largest p), ``platt``, ``isotonic``, ``mix``, ``ranked``, ``joint``, and
        ``confidence`` (the chosen one); ``set_size`` and ``covered`` of the 90% conformal set,
        ``..._80`` and ``..._95`` of the others, -1 and False where none was fitted; ``distance``,
        ``out_of_distribution``; ``regime_now`` (0 Trending, 1 Ranging, 2 Volatile by the rule on bars up to
        ts, -1 unknown) and ``label_ahead`` (the label of the regime wholly after ts, -1 elsewhere).
    baselines
        The same keys, ``baseline`` and ``p_c``; each baseline's rows of a fold and task in the order of
        `rows`.
    folds
        In order.
    summary
        See `core.experiments.walk_forward.summary.summarise`.
    plan
        Scheme, test step, baselines and the data's fingerprint.
    calibrate, calibrate_baselines
        As `rows` and `baselines`, of each fold's calibrate segment, where its calibrators and temperatures
        were fitted: for choosing thresholds, never for a score. None in results written before these were
        kept.
    """

    rows: pd.DataFrame
    baselines: pd.DataFrame
    folds: list[FoldRecord]
    config: Config
    summary: dict[str, Any]
    plan: dict[str, Any]
    calibrate: pd.DataFrame | None = None
    calibrate_baselines: pd.DataFrame | None = None

    def table(self) -> list[dict[str, Any]]:
        """One line per task, scope ("pooled", "fold 0", "wholly ahead") and forecaster, the model first.

        ``log_loss`` and ``accuracy`` with their intervals' ends; ``difference``, ``low`` and ``high`` of the
        model's log-loss minus the baseline's; ``ece`` and, for the model, ``perfect_ece_p95``.
        """
        lines = []
        for task, entry in self.summary.items():
            scopes = {"pooled": entry["pooled"], "wholly ahead": entry.get("wholly_ahead")}
            scopes |= {f"fold {k}": block for k, block in enumerate(entry["folds"])}
            for scope, block in scopes.items():
                if block is None:
                    continue
                who = {"model": block["model"], "uncalibrated": block["uncalibrated"], **block["baselines"]}
                for name, scores in who.items():
                    line = {"task": task, "scope": scope, "who": name, "rows": block["rows"]}
                    for score in ("log_loss", "accuracy"):
                        found = scores[score]
                        line |= {score: found["value"]}
                        line |= {f"{score}_{end}": found[end] for end in ("low", "high")}
                    difference = scores.get("model_minus_baseline", {})
                    line |= {"difference": difference.get("value")}
                    line |= {end: difference.get(end) for end in ("low", "high")}
                    line |= {"ece": scores["ece"]["value"]}
                    line |= {"perfect_ece_p95": block["perfect_ece"]["p95"] if name == "model" else None}
                    lines.append(line)
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without rows."""
        return {
            "name": self.config.name,
            **{key: self.plan[key] for key in ("scheme", "test_step", "baselines", "series")},
            "folds": [
                {
                    "index": fold.index,
                    "borders": fold.borders.to_dict(),
                    "rows": fold.rows,
                    "skipped": fold.skipped,
                }
                for fold in self.folds
            ],
            "summary": self.summary,
        }
