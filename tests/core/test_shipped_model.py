import numpy as np
import pandas as pd
import pytest
import torch

from core.bundle import SHIPPED, load_bundle
from core.confidence.similarity import window_statistics
from core.confidence.sources import estimate_sources
from core.config import load_config
from core.data.ingest.run import ingest_bundled
from core.data.store import BarStore
from core.models.ensemble import list_members
from core.models.trace import trace
from core.predictor import Predictor

MEGABYTE = 1e6


@pytest.fixture(scope="module")
def bundle():
    return load_bundle(SHIPPED)


@pytest.fixture(scope="module")
def predictor(bundle, tmp_path_factory):
    store = BarStore(tmp_path_factory.mktemp("bundled"))
    ingest_bundled(store)
    return Predictor(bundle, store)


def test_the_shipped_bundle_is_small_and_of_the_specified_structure(bundle):
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 50 * MEGABYTE
    assert 3.2e6 < bundle.model.parameter_count() < 3.5e6
    model = bundle.config.model
    assert (model.d_model, model.num_attention_heads, model.ffn_dim) == (128, 2, 512)
    assert len(list_members(bundle.model)) == model.members == 4
    assert model.windows == [20, 50, None, None]


def test_the_shipped_bundle_is_what_its_configuration_file_says(bundle):
    config = load_config(SHIPPED.parent / "bundled.yaml")
    assert bundle.config == config
    assert bundle.borders.train_end == pd.Timestamp("2015-01-01", tz="UTC")


def test_every_segment_has_scores_beside_prior_persistence_and_logistic(bundle):
    for segment in ("train", "calibrate", "test"):
        for task in ("direction", "volatility", "regime"):
            scores = bundle.metrics["segments"][segment][task]
            assert scores["rows"] > 500
            assert {"prior", "persistence", "logistic"} <= set(scores["baselines"])


def test_nothing_fitted_saw_a_bar_after_its_segment(bundle):
    ends = dict.fromkeys(("calibrators", "sets", "ranks", "limit"), bundle.borders.calibrate_end)
    ends["early stopping"] = bundle.borders.stop_end or bundle.borders.calibrate_end
    for name, spans in bundle.metrics["audit"].items():
        end = next((end for part, end in ends.items() if part in name), bundle.borders.train_end)
        for span in spans.values():
            if span["last"] is not None:
                assert pd.Timestamp(span["last"]) < end


@pytest.mark.parametrize(("instrument", "timeframe"), [("AAPL", "1d"), ("SP500", "1d"), ("NASDAQ", "1w")])
def test_every_bundled_series_can_be_predicted(predictor, instrument, timeframe):
    prediction = predictor.predict(instrument, timeframe)
    assert prediction.known_instrument
    for task in prediction.tasks.values():
        assert np.isfinite(task.logits).all()
        assert 0 < task.stated.confidence < 1


@pytest.mark.parametrize(
    ("instrument", "at"), [("IBM", "2006-06-01"), ("AAPL", "2004-03-01"), ("SP500", "2003-05-01")]
)
def test_a_training_like_window_is_familiar_and_shuffled_or_scaled_ones_are_flagged(
    predictor, instrument, at
):
    bundle = predictor.bundle
    features = predictor.window(instrument, "1d", pd.Timestamp(at, tz="UTC")).features
    rng = np.random.default_rng(0)
    variants = np.stack(
        [
            features,
            features[rng.permutation(300)],
            rng.permuted(features, axis=1),
            np.clip(50 + 3 * (features - 50), 0, 100),
            features / 10,
        ]
    ).astype(np.float32)
    known = torch.full((len(variants),), bundle.instrument_index(instrument))
    daily = torch.full((len(variants),), bundle.timeframe_index("1d"))
    with torch.inference_mode():
        traced = trace(bundle.model, torch.from_numpy(variants), known, daily)
        sources, distance = estimate_sources(bundle.model, traced, bundle.reference.representation)
    strangeness = bundle.reference.strangeness(distance.numpy(), window_statistics(variants))
    assert strangeness[0] < 1
    assert (strangeness[1:] > 1).all()
    assert sources["direction"].values["similarity"][0] > 0.5


def test_attention_of_the_shipped_model_stays_inside_its_windows(predictor):
    maps = predictor.attention("AAPL", "1d")
    age = np.arange(300)[:, None] - np.arange(300)[None]
    for layer, window in zip(maps.weights, maps.windows, strict=True):
        assert (layer[:, (age < 0) | (age >= (window or 300))] == 0).all()
