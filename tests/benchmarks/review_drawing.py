"""How long the review's pictures of 50,000 scored predictions take, from rows to what the browser is sent.

    python -m tests.benchmarks.review_drawing [--rows 50000] [--repeats 3]

Prints wall and processor milliseconds, the least of the repeats, and KB of JSON. What the page shows first is
drawn from scratch each time; the workbench keeps all of it per filter, and moving the line only looks up.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import plotly.graph_objects as go

from app.figures.reliability import (
    acted_figure,
    calibrators_figure,
    histogram_figure,
    reliability_figure,
    through_time_figure,
)
from app.figures.selective import risk_figure, sets_figure
from app.review.words import rolling_share
from core.confidence.sources import SOURCES
from core.experiments.walk_forward.records import WalkForwardResult
from core.review.acting import count_acting
from core.review.calibration import (
    compare_calibrators,
    compare_stated,
    follow_calibration,
    measure_reliability,
    score_errors,
)
from core.review.rows import ReviewRows, RowFilter, stretches_of, take_rows
from core.review.selective import score_areas, trace_risk
from core.review.sets import follow_outcomes, follow_sets
from tests.core.review.synthetic_review import fold_records, synthetic_rows

TASK, SOURCE = "direction", "confidence"
RISKS = ("confidence", "uncalibrated", "raw", "mix", *SOURCES)


def least_ms(run: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Wall and processor milliseconds of the quickest run."""
    walls, processors = [], []
    for _ in range(repeats):
        wall, processor = time.perf_counter(), time.process_time()
        run()
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
    return 1e3 * min(walls), 1e3 * min(processors)


def build_pictures(result: WalkForwardResult) -> dict[str, Callable[[], go.Figure]]:
    """What the Calibration page shows first, each picture from the rows on."""
    rows = take_rows(result, RowFilter(TASK))
    blocks = stretches_of(rows)

    def acted() -> go.Figure:
        count_acting(rows, SOURCE, blocks)
        found = follow_calibration(rows, SOURCE)
        share = rolling_share(rows.stated[SOURCE] >= 0.5, rows.correct, found.rolling.last, found.window)
        return acted_figure(found.rolling.time, share, line=0.5, dark=False)

    return {
        "reliability with both bands": lambda: reliability_figure(
            measure_reliability(rows, SOURCE, blocks), SOURCE, title="t", dark=False
        ),
        "histogram": lambda: histogram_figure(rows.stated[SOURCE], rows.correct),
        "calibrators": lambda: calibrators_figure(compare_calibrators(rows), dark=False),
        "risk and coverage": lambda: risk_figure(trace_risk(rows), RISKS, dark=False),
        "the line and what it lets through": acted,
        "through time": lambda: through_time_figure(follow_calibration(rows, SOURCE), dark=False),
    }


def build_rest(result: WalkForwardResult, rows: ReviewRows) -> dict[str, Callable[[], object]]:
    """Tables and sets, which follow below the pictures."""
    blocks = stretches_of(rows)
    following = follow_outcomes(result, TASK, 0.9)
    return {
        "errors with intervals and floors": lambda: score_errors(rows, SOURCE, blocks),
        "every confidence compared": lambda: compare_stated(rows),
        "sets that follow the outcomes": lambda: follow_outcomes(result, TASK, 0.9),
        "sets through time": lambda: sets_figure(follow_sets(rows, following, 0.9), dark=False),
        "areas with intervals": lambda: score_areas(rows, blocks),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    table, baselines, config = synthetic_rows(options.rows // 2, folds=5)
    result = WalkForwardResult(table, baselines, fold_records(table, config), config, {}, {})
    rows = take_rows(result, RowFilter(TASK))
    print(f"{len(rows):,} predictions of {TASK}")
    print(f"{'':36}{'wall ms':>8}{'cpu ms':>8}{'KB':>7}")
    wall, processor = least_ms(lambda: take_rows(result, RowFilter(TASK)), options.repeats)
    print(f"{'filter':36}{wall:8.0f}{processor:8.0f}")
    totals = [wall, processor]
    for name, draw in build_pictures(result).items():
        wall, processor = least_ms(lambda d=draw: d().to_json(), options.repeats)
        size = len(str(draw().to_json())) / 1024
        print(f"{name:36}{wall:8.0f}{processor:8.0f}{size:7.0f}")
        totals = [totals[0] + wall, totals[1] + processor]
    print(f"{'all pictures':36}{totals[0]:8.0f}{totals[1]:8.0f}")
    for name, run in build_rest(result, rows).items():
        wall, processor = least_ms(run, options.repeats)
        print(f"{name:36}{wall:8.0f}{processor:8.0f}")


if __name__ == "__main__":
    main()
