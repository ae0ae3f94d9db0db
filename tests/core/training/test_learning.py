"""A model must find what is there and find nothing where nothing is."""

import numpy as np

from core.baselines.simple import ClassPrior, baseline_rows
from core.data.segments import TEST, TRAIN
from core.data.windows import LastBarWindows
from core.training.members import train
from core.training.scoring import score_last_bars
from tests.core.training.synthetic_series import TASKS, planted_config, planted_data, planted_rules

CONFIG = planted_config(training={"epochs": 16, "restart_epochs": 16, "batch_size": 8, "patience": 16})


def test_planted_labels_are_predicted_with_95_percent_of_the_planted_accuracy(tmp_path):
    data = planted_data(bars=10_000)
    result = train(data, CONFIG, tmp_path, progress=False)
    scores = score_last_bars(result.model, LastBarWindows(data, TEST, CONFIG))
    for task in TASKS:
        labels = scores.tasks[task].labels
        planted = np.concatenate(
            [
                planted_rules(series.features)[task][scores.rows[scores.rows[:, 0] == which, 1]]
                for which, series in enumerate(data.series)
            ]
        )
        accuracy = (scores.tasks[task].logits.argmax(1) == labels).mean()
        assert accuracy >= 0.95 * (planted == labels).mean(), task


def test_shuffled_labels_score_the_prior_and_no_better(tmp_path):
    data = planted_data(bars=4000, shuffled=True)
    config = planted_config(training={"batch_size": 8, "patience": 4})
    result = train(data, config, tmp_path, progress=False)
    test, fitted = LastBarWindows(data, TEST, CONFIG), LastBarWindows(data, TRAIN, CONFIG)
    scores = score_last_bars(result.model, test)
    for task in TASKS:
        labels = scores.tasks[task].labels
        rows = np.arange(len(labels))
        training = baseline_rows(fitted, task)
        prior = ClassPrior.fit(training, training, 3).predict(baseline_rows(test, task))
        gap = np.log(prior[rows, labels]) - np.log(scores.tasks[task].probabilities[rows, labels])
        standard_error = gap.std() / np.sqrt(len(gap))
        assert gap.mean() > -4 * standard_error, f"{task}: better than the prior"
        assert gap.mean() < 0.01 + 4 * standard_error, f"{task}: worse than the prior"
