"""Global importance of a model whose useless features are known."""

import copy
import json
from dataclasses import replace

import pytest
import torch

from core.errors import InputError
from core.explain.evidence.importance import FEWEST, label_windows, measure_importance, removable_everywhere
from core.explain.evidence.sample import draw_sample
from core.predictor import Predictor
from core.progress import Stopped

USELESS = "adx_14"
WINDOWS = 24


@pytest.fixture(scope="module")
def predictor(walks, walk_bundle, tmp_path_factory) -> Predictor:
    """The untrained model, blind to one feature."""
    from core.data.store import BarStore

    store = BarStore(tmp_path_factory.mktemp("importance"))
    for bars in walks.values():
        store.upsert(bars)
    model = copy.deepcopy(walk_bundle.model)
    with torch.no_grad():
        model.gate[walk_bundle.feature_names.index(USELESS)] = 0
    return Predictor(replace(walk_bundle, model=model), store)


@pytest.fixture(scope="module")
def measured(predictor) -> tuple[dict, list]:
    seen = []
    found = measure_importance(
        predictor, windows=WINDOWS, method="gradient_times_input", repeats=1,
        progress=lambda *pair: seen.append(pair),
    )  # fmt: skip
    return found, seen


def test_a_feature_the_model_is_blind_to_counts_nothing_in_every_view(measured):
    found, _ = measured
    assert found["gate"][USELESS] == 0
    for task in found["tasks"].values():
        assert task["attribution"]["features"]["all"][USELESS] == [0, 0, 0]
        assert task["permutation"]["features"][USELESS] == pytest.approx([0, 0, 0], abs=1e-6)
        assert USELESS in task["removable"]
    assert USELESS in found["removable"]


def test_shares_add_up_and_groups_are_the_sums_of_their_features(measured):
    found, _ = measured
    assert sum(found["gate"].values()) == pytest.approx(1)
    for task in found["tasks"].values():
        features, groups = (task["attribution"][kind] for kind in ("features", "groups"))
        assert list(features) == ["all", "instrument", "regime", "period"]
        for dimension in features:
            parts = {"": features["all"]} if dimension == "all" else features[dimension]
            whole = {"": groups["all"]} if dimension == "all" else groups[dimension]
            for key, shares in parts.items():
                assert sum(share[0] for share in shares.values()) == pytest.approx(1)
                for group, share in whole[key].items():
                    mine = [v[0] for name, v in shares.items() if found["groups"][name] == group]
                    assert share[0] == pytest.approx(sum(mine))
                    # None where so few windows hang together over all of their time.
                    assert share[1] is None or share[1] <= share[0] <= share[2]


def test_only_slices_with_enough_windows_are_told(measured):
    found, _ = measured
    assert sum(found["counts"]["instrument"].values()) == found["windows"] == WINDOWS
    features = found["tasks"]["direction"]["attribution"]["features"]
    for dimension, counts in found["counts"].items():
        assert set(features[dimension]) == {key for key, count in counts.items() if count >= FEWEST}
    assert set(features["instrument"]) == {"AAA", "BBB"}


def test_the_result_is_plain_and_progress_runs_to_its_end(measured):
    found, seen = measured
    json.dumps(found, allow_nan=False)
    assert seen[-1][0] == seen[-1][1]
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_windows_are_labelled_by_instrument_regime_and_period(predictor):
    sample = draw_sample(predictor, 12)
    labels = label_windows(predictor.bundle, sample)
    assert labels["instrument"] == list(sample.instrument)
    assert set(labels["regime"]) <= {"Trending", "Ranging", "Volatile"}
    assert set(labels["period"]) == {str(year) for year in sample.ts.astype("datetime64[Y]")}
    first = sample.ts.astype("datetime64[Y]").min()
    one_year = replace(sample, ts=first + (sample.ts - sample.ts.min()) // 10)
    assert len(set(label_windows(predictor.bundle, one_year)["period"])) == 2


def test_a_feature_may_go_when_no_task_needs_it_and_the_mask_never():
    assert removable_everywhere([["b", "a", "missing_share"], ["a", "c", "missing_share"]], "abc") == ["a"]


def test_an_unknown_method_is_refused_and_cancelling_ends_it(predictor):
    with pytest.raises(InputError, match="a method out of"):
        measure_importance(predictor, windows=2, method="deep_lift")
    with pytest.raises(Stopped):
        measure_importance(predictor, windows=2, cancelled=lambda: True)
