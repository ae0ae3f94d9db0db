"""Members: trained apart by seed alone, recorded one after the other, answering as one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.data.windows import LastBarWindows
from core.models.ensemble import MarketEnsemble, list_members
from core.training.members import train
from core.training.scoring import score_last_bars
from tests.core.training.synthetic_series import planted_config, planted_data

DATA = planted_data(bars=900)


def _config(**model):
    return planted_config(model=model, training={"epochs": 2})


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    return folder, train(DATA, _config(members=2), folder, progress=False)


def test_each_member_is_what_training_with_its_seed_alone_gives(pair, tmp_path):
    _, result = pair
    assert isinstance(result.model, MarketEnsemble)
    for place, member in enumerate(list_members(result.model)):
        config = planted_config(training={"epochs": 2, "seed": place})
        alone = train(DATA, config, tmp_path / str(place), progress=False).model
        for name, tensor in alone.state_dict().items():
            assert torch.equal(member.state_dict()[name], tensor)


def test_epochs_are_counted_on_from_member_to_member(pair):
    _, result = pair
    assert result.history["epoch"].tolist() == [0, 1, 2, 3]
    assert result.history["member"].tolist() == [0, 0, 1, 1]
    assert len(result.importance) == 4
    first, second = result.best_epochs
    assert first in (0, 1)
    assert second in (2, 3)


def test_the_pair_scores_the_mean_of_its_members_logits(pair):
    _, result = pair
    windows = LastBarWindows(DATA, 2, _config(members=2), 7)
    whole = score_last_bars(result.model, windows)
    single = [score_last_bars(member, windows) for member in list_members(result.model)]
    for task, outputs in whole.tasks.items():
        mean = np.mean([one.tasks[task].logits for one in single], axis=0)
        np.testing.assert_allclose(outputs.logits, mean, atol=1e-6)
    assert whole.representation.shape[1] == 2 * single[0].representation.shape[1]


def test_a_finished_run_is_read_again_without_training(pair):
    folder, result = pair
    again = train(DATA, _config(members=2), folder, progress=False)
    for name, tensor in result.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], tensor)
    assert again.seconds == result.seconds


def test_without_direct_paths_nothing_is_scaled(pair):
    _, result = pair
    assert result.scales == {}
    for member in list_members(result.model):
        assert all(float(head.scale) == 1 for head in member.heads.values())
