import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from core.baselines.simple import BaselineRows, Baselines, ClassPrior, Logistic, Persistence, baseline_rows
from core.data.segments import CALIBRATE, TEST, TRAIN
from core.data.windows import LastBarWindows
from core.errors import InputError
from tests.core.training.synthetic_series import PLANTED_ACCURACY, planted_config, planted_data


def make_rows(n=600, classes=3, seed=0, unlabelled=0.1):
    rng = np.random.default_rng(seed)
    features = rng.uniform(0, 100, (n, 4)).astype(np.float32)
    score = (features[:, :classes] - 50) / 15 + rng.gumbel(size=(n, classes))
    labels = np.where(rng.random(n) < unlabelled, -1, score.argmax(1))
    persistence = rng.integers(-1, classes, n)
    return BaselineRows(features, labels, persistence)


@pytest.fixture(scope="module")
def segments():
    config, data = planted_config(), planted_data(bars=1800)
    return config, [LastBarWindows(data, segment, config) for segment in (TRAIN, CALIBRATE, TEST)]


def test_the_prior_is_the_share_of_each_labelled_class():
    rows = BaselineRows(np.zeros((7, 1)), np.array([0, 0, 0, 1, -1, -1, 0]), np.zeros(7, dtype=int))
    prior = ClassPrior.fit(rows, rows, 3)
    np.testing.assert_allclose(prior.predict(rows), np.tile([5 / 8, 2 / 8, 1 / 8], (7, 1)))


def test_persistence_gives_the_label_shares_that_followed_each_past_class():
    n = 30_000
    rng = np.random.default_rng(0)
    past = rng.integers(-1, 3, n)
    labels = np.where(rng.random(n) < 0.6, past, rng.integers(0, 3, n))
    labels[past == -1] = rng.choice(3, (past == -1).sum(), p=[0.5, 0.3, 0.2])
    rows = BaselineRows(np.zeros((n, 1)), labels, past)
    predicted = Persistence.fit(rows, rows, 3).predict(rows)
    for row in range(3):
        expected = np.full(3, 0.4 / 3)
        expected[row] += 0.6
        np.testing.assert_allclose(predicted[past == row][0], expected, atol=0.02)
    np.testing.assert_allclose(predicted[past == -1][0], ClassPrior.fit(rows, rows, 3).shares)
    np.testing.assert_allclose(predicted.sum(1), 1)


@pytest.mark.parametrize("classes", [2, 3])
def test_logistic_equals_scikit_learn_on_standardised_features(classes):
    train, calibrate = make_rows(classes=classes), make_rows(classes=classes, seed=1)
    fitted = Logistic.fit(train, calibrate, classes)
    known = train.labels >= 0
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=fitted.strength, max_iter=1000))
    pipeline.fit(train.features[known], train.labels[known])
    expected = pipeline.predict_proba(calibrate.features)
    np.testing.assert_allclose(fitted.predict(calibrate), expected, atol=1e-6)


def test_logistic_shrinks_more_where_there_is_nothing_to_learn():
    train, calibrate = make_rows(), make_rows(seed=1)
    rng = np.random.default_rng(2)
    noise = [BaselineRows(r.features, rng.permutation(r.labels), r.persistence) for r in (train, calibrate)]
    assert Logistic.fit(*noise, 3).strength < Logistic.fit(train, calibrate, 3).strength


def test_a_class_that_never_occurred_is_unlikely_but_not_impossible():
    train = make_rows()
    train = BaselineRows(train.features, train.labels.clip(max=1), train.persistence)
    for kind in (ClassPrior, Persistence, Logistic):
        predicted = kind.fit(train, train, 3).predict(train)
        assert predicted.shape == (600, 3)
        assert (predicted > 0).all()
        assert predicted[:, 2].max() < 0.02
    only = BaselineRows(train.features, np.where(train.labels >= 0, 1, -1), train.persistence)
    assert Logistic.fit(only, only, 3).predict(only)[:, 1].min() > 0.99


def test_labels_of_rows_to_predict_change_nothing():
    train, rows = make_rows(), make_rows(seed=3)
    hidden = BaselineRows(rows.features, np.full_like(rows.labels, -1), rows.persistence)
    for kind in (ClassPrior, Persistence, Logistic):
        fitted = kind.fit(train, train, 3)
        assert np.array_equal(fitted.predict(rows), fitted.predict(hidden))


def test_without_labels_a_baseline_refuses_to_be_fitted():
    rows = make_rows(unlabelled=1.0)
    for kind in (ClassPrior, Persistence, Logistic):
        with pytest.raises(InputError, match="rows with a label"):
            kind.fit(rows, rows, 3)


def test_rows_hold_the_last_bar_s_features_in_the_dataset_s_order(segments):
    _, (train, _, _) = segments
    rows = baseline_rows(train, "regime")
    for index in (0, len(train) // 2, len(train) - 1):
        item = train[index]
        assert np.array_equal(rows.features[index], item["x"][-1].numpy())
        assert rows.labels[index] == item["labels"]["regime"][-1]
        series = train.data.series[item["series"]]
        assert rows.persistence[index] == series.persistence["regime"][item["bar"]]


def test_all_baselines_survive_json_with_the_same_predictions(segments):
    config, (train, calibrate, test) = segments
    fitted = Baselines.fit(train, calibrate, config.tasks)
    again = Baselines.from_dict(json.loads(json.dumps(fitted.to_dict(), allow_nan=False)))
    for task in config.tasks:
        first, second = fitted.predict(test, task.name), again.predict(test, task.name)
        assert list(first) == ["prior", "persistence", "logistic"]
        for name in first:
            assert np.array_equal(first[name], second[name])


def test_logistic_finds_a_planted_linear_rule_and_not_an_interaction(segments):
    config, (train, calibrate, test) = segments
    fitted = Baselines.fit(train, calibrate, config.tasks)
    accuracy = {}
    for task in ("direction", "regime"):
        labels = test.last_labels(task)
        accuracy[task] = (fitted.predict(test, task)["logistic"].argmax(1) == labels).mean()
    assert accuracy["direction"] > 0.9 * PLANTED_ACCURACY
    assert accuracy["regime"] < 0.5
