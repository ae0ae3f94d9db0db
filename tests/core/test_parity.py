"""Predictions and explanations are the same on every device, and no tensor of them stays on the wrong one."""

import os
import subprocess
import sys
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import core.predictor
from core.explain.attention import class_relevance, full_attention
from core.explain.attribution import attribute
from core.explain.counterfactual import CallLead, find_flip
from core.explain.explanation import Question, check_explanation, explain_moment
from core.explain.methods.conductance import layer_conductance
from core.explain.methods.registry import METHODS
from core.explain.methods.settings import Settings
from core.explain.moment import Moment
from core.explain.references import window_mean
from core.explain.similar.index import build_index, represent_window
from core.predictor import Predictor
from tests.elsewhere import second_device

AT = pd.Timestamp("2009-06-05", tz="UTC")
QUICK = Settings(first_steps=4, max_steps=8, tolerance=1.0, samples=4, occlusion_block=50, rescaling_block=50)
# These draw points from the device's own generator: the same distribution, not the same points.
DRAWN = {"gradient_shap"}
OWN_PROCESS = "LOOKBACK_TEST_SECOND_DEVICE"
# Torch takes a new device only before its first backward pass, and keeps it until the process ends.
OWN = pytest.mark.skipif(OWN_PROCESS not in os.environ, reason="a second device needs a process of its own")


@pytest.fixture(
    params=[
        pytest.param("elsewhere", marks=OWN),
        pytest.param(
            "cuda",
            marks=pytest.mark.skipif(
                not torch.cuda.is_available(), reason="torch can use no CUDA device here"
            ),
        ),
    ]
)
def moments(request, walk_bundle, walk_store, monkeypatch):
    """The same moment on the CPU and on another device."""
    here = Predictor(replace(walk_bundle, model=deepcopy(walk_bundle.model)), walk_store)
    if request.param == "cuda":
        monkeypatch.setenv("LOOKBACK_DEVICE", "cuda")
        yield _pair(here, walk_bundle)
    else:
        with second_device() as device:
            monkeypatch.setattr(core.predictor, "serving_device", lambda configured: device)
            yield _pair(here, walk_bundle)


def _pair(here, bundle):
    there = Predictor(replace(bundle, model=deepcopy(bundle.model)), here.store)
    assert {p.device.type for p in here.bundle.model.parameters()} == {"cpu"}
    assert "cpu" not in {p.device.type for p in there.bundle.model.parameters()}
    return Moment.at(here, "AAA", "1d", AT), Moment.at(there, "AAA", "1d", AT)


def test_predictions_and_their_sources_agree(moments):
    here, there = (moment.prediction for moment in moments)
    assert there.distance == pytest.approx(here.distance, rel=1e-4)
    for name, task in here.tasks.items():
        other = there.tasks[name]
        np.testing.assert_allclose(other.probabilities, task.probabilities, atol=1e-5)
        assert other.head_confidence == pytest.approx(task.head_confidence, abs=1e-5)
        assert other.sources == pytest.approx(task.sources, abs=1e-4)
        assert other.raw_confidence == pytest.approx(task.raw_confidence, abs=1e-4)
        assert other.intensity == pytest.approx(task.intensity, abs=1e-5)


def test_a_range_of_bars_agrees(moments):
    here, there = (
        moment.predictor.predict_range("AAA", "1d", AT - pd.Timedelta(days=20), AT) for moment in moments
    )
    assert len(here) == len(there) > 10
    for one, other in zip(here, there, strict=True):
        for name, task in one.tasks.items():
            np.testing.assert_allclose(other.tasks[name].probabilities, task.probabilities, atol=1e-5)


def test_attention_agrees(moments):
    here, there = moments
    np.testing.assert_allclose(there.attention_by_layer(), here.attention_by_layer(), atol=1e-6)
    whole = [moment.predictor.attention("AAA", "1d", AT) for moment in moments]
    np.testing.assert_allclose(whole[1].weights, whole[0].weights, atol=1e-6)
    np.testing.assert_allclose(whole[1].bias_scale, whole[0].bias_scale, atol=1e-6)
    margins = [moment.margin("direction") for moment in moments]
    maps = [full_attention(margin, here.features) for margin in margins]
    np.testing.assert_allclose(maps[1], maps[0], atol=1e-6)
    relevance = [class_relevance(margin, here.features).matrix for margin in margins]
    np.testing.assert_allclose(relevance[1], relevance[0], atol=1e-4 * np.abs(relevance[0]).max())


@pytest.mark.parametrize("method", METHODS)
def test_attributions_agree(moments, method):
    values = [
        attribute(
            moment.margin("volatility", "High"),
            moment.features,
            window_mean(moment.features),
            method=method,
            feature_names=moment.feature_names,
            settings=QUICK,
        ).values
        for moment in moments
    ]
    largest = np.abs(values[0]).max()
    assert largest > 0
    if method in DRAWN and next(moments[1].bundle.model.parameters()).device.type == "cuda":
        assert np.isfinite(values[1]).all()
    else:
        np.testing.assert_allclose(values[1], values[0], atol=1e-3 * largest)


def test_explanations_with_their_checks_agree(moments):
    question = Question("regime", "Volatile", "ig", "window_mean", QUICK)
    here, there = (
        check_explanation(moment, question, explain_moment(moment, question)) for moment in moments
    )
    assert there.removal.after == pytest.approx(here.removal.after, abs=1e-3)
    for name in ("deletion", "insertion"):
        one, other = (getattr(check.faithfulness, name) for check in (here, there))
        np.testing.assert_allclose(other.margins, one.margins, atol=1e-3)


def test_conductance_agrees(moments):
    features = moments[0].features
    margins = [moment.margin("direction", "Bullish") for moment in moments]
    references = window_mean(features).windows
    found = [
        layer_conductance(margin, features, references, QUICK, steps=2, max_steps=2) for margin in margins
    ]
    np.testing.assert_allclose(found[1].values, found[0].values, atol=1e-3 * np.abs(found[0].values).max())


def test_the_smallest_flip_agrees(moments):
    names = moments[0].feature_names
    flips = [
        find_flip(CallLead(moment.margin("direction")), moment.features, names, names, rounds=5)
        for moment in moments
    ]
    assert [flip is None for flip in flips] in ([True, True], [False, False])
    if flips[0] is not None:
        np.testing.assert_allclose(flips[1].window, flips[0].window, atol=0.05)


def test_representations_and_the_index_of_moments_agree(moments):
    represented = [represent_window(moment.predictor, moment.window) for moment in moments]
    np.testing.assert_allclose(represented[1], represented[0], atol=1e-4)
    indices = [build_index(moment.predictor, step=100) for moment in moments]
    np.testing.assert_allclose(
        indices[1].representations.astype(float), indices[0].representations.astype(float), atol=0.01
    )


@OWN
def test_a_tensor_left_elsewhere_is_noticed():
    with second_device() as device:
        there = torch.ones(3, device=device)
        with pytest.raises(RuntimeError, match="meets tensors of elsewhere and of the CPU"):
            there + torch.ones(3)
        with pytest.raises(RuntimeError, match="numpy"):
            there.numpy()
        np.testing.assert_array_equal((there + torch.ones(3).to(device)).cpu().numpy(), 2)


@pytest.mark.timeout(900)
def test_everything_agrees_on_a_second_device():
    command = [sys.executable, "-m", "pytest", "-q", __file__, "-k", "elsewhere"]
    done = subprocess.run(command, env=os.environ | {OWN_PROCESS: "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "passed" in done.stdout
