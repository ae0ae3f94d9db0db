import numpy as np
import pandas as pd

from core.data.segments import CALIBRATE
from core.data.windows import LastBarWindows
from core.predictor import Predictor
from core.training.scoring import LEAST_ROWS, fit_confidence, score_last_bars, score_with_confidence


def calibrate_windows(walk_data, walk_bundle, step=7):
    return LastBarWindows(walk_data, CALIBRATE, walk_bundle.config, step)


def test_scores_equal_live_predictions_of_the_same_bars(walk_data, walk_bundle, walk_store):
    windows = calibrate_windows(walk_data, walk_bundle, step=40)
    scores = score_with_confidence(walk_bundle.model, windows, walk_bundle.reference, batch=3)
    predictor = Predictor(walk_bundle, walk_store)
    for row, (which, _) in enumerate(windows.rows):
        series = walk_data.series[which]
        at = pd.Timestamp(scores.times[row], tz="UTC")
        live = predictor.predict(series.instrument, series.timeframe, at)
        for name, task in live.tasks.items():
            outputs = scores.tasks[name]
            np.testing.assert_allclose(outputs.logits[row], task.logits, atol=2e-5)
            np.testing.assert_allclose(outputs.sources[row], list(task.sources.values()), atol=2e-5)
            np.testing.assert_allclose(outputs.raw[row], task.raw_confidence, atol=2e-5)


def test_plain_scoring_sees_the_same_logits_and_labels(walk_data, walk_bundle):
    windows = calibrate_windows(walk_data, walk_bundle)
    confident = score_with_confidence(walk_bundle.model, windows, walk_bundle.reference)
    plain = score_last_bars(walk_bundle.model, windows)
    for name, outputs in confident.tasks.items():
        np.testing.assert_allclose(outputs.logits, plain.tasks[name].logits, atol=2e-5)
        np.testing.assert_array_equal(outputs.labels, plain.tasks[name].labels)
        np.testing.assert_allclose(outputs.probabilities.sum(1), 1)


def test_a_label_is_known_after_its_bar_and_never_before(walk_data, walk_bundle):
    scores = score_with_confidence(
        walk_bundle.model, calibrate_windows(walk_data, walk_bundle), walk_bundle.reference
    )
    for outputs in scores.tasks.values():
        known = outputs.labels >= 0
        assert (outputs.label_ends[known] > scores.times[known]).all()


def test_tasks_with_few_labels_state_no_confidence(walk_data, walk_bundle):
    windows = calibrate_windows(walk_data, walk_bundle, step=1)
    scores = score_with_confidence(walk_bundle.model, windows, walk_bundle.reference)
    scores.tasks["regime"].labels[LEAST_ROWS - 1 :] = -1
    fitted = fit_confidence(scores)
    assert "regime" not in fitted
    assert {"direction", "volatility"} <= set(fitted)
