import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch.callbacks import Callback

from core.config import Config
from core.data.dataset import PreparedData
from core.data.segments import CALIBRATE, STOP, TRAIN
from core.data.windows import DenseWindows, LastBarWindows
from core.errors import ConfigError, InputError
from core.models.transformer import MarketTransformer
from core.training.members import train
from core.training.module import MONITOR, TransformerModule, cosine_with_restarts, split_by_decay
from core.training.scoring import score_last_bars
from core.training.trainer import build_model, choose_precision
from tests.core.training.synthetic_series import TASKS, planted_config, planted_data

DATA = planted_data(bars=900)


def short_config(**sections):
    training = {"epochs": 4, "batch_size": 8, "accumulate": 2} | sections.pop("training", {})
    model = {"dropout": 0.1, "d_model": 16, "ffn_dim": 16} | sections.pop("model", {})
    return planted_config(training=training, model=model, **sections)


def same_numbers(first: pd.DataFrame, second: pd.DataFrame):
    drop = ["seconds"]
    pd.testing.assert_frame_equal(first.drop(columns=drop), second.drop(columns=drop), check_exact=True)


def same_weights(first, second):
    return all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


class StopAfter(Callback):
    """Raise `error` in the middle of an epoch."""

    def __init__(self, epoch: int, error: BaseException) -> None:
        self.epoch, self.error = epoch, error

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.current_epoch == self.epoch and batch_idx == 1:
            raise self.error


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return folder, train(DATA, short_config(), folder, progress=False)


def test_the_record_has_every_epoch_every_loss_term_and_every_feature(whole_run):
    _, result = whole_run
    assert result.history["epoch"].tolist() == [0, 1, 2, 3]
    terms = {f"train_{task}_cross_entropy" for task in TASKS}
    terms |= {f"train_{name}" for name in ("calibration", "intensity", "auxiliary", "gate_l1", "total")}
    scores = {f"calibrate_{task}_log_loss" for task in TASKS} | {"calibrate_log_loss"}
    assert set(result.history.columns) == {"epoch", "member", "learning_rate", "seconds"} | terms | scores
    assert np.isfinite(result.history.to_numpy()).all()
    parts = result.history[sorted(terms - {"train_total"})].sum(axis=1)
    np.testing.assert_allclose(parts, result.history["train_total"], rtol=1e-5)
    assert result.importance.shape == (4, len(DATA.feature_names))
    assert list(result.importance.columns) == list(DATA.feature_names)
    assert result.history["train_total"].is_monotonic_decreasing


def test_the_model_returned_is_the_best_epoch_s_and_scores_what_the_record_says(tmp_path):
    data = planted_data(bars=900, shuffled=True)
    config = short_config(training={"epochs": 5, "learning_rate": 0.03, "warmup_epochs": 0.0})
    result = train(data, config, tmp_path, progress=False)
    assert result.best_epochs[0] == result.history["calibrate_log_loss"].argmin()
    assert result.best_epochs[0] < 4, "the last epoch would hide a model that was not restored"
    assert not result.model.training
    np.testing.assert_allclose(
        result.model.feature_importance(), result.importance.iloc[result.best_epochs[0]], rtol=1e-6
    )
    once = config.model_copy(update={"training": config.training.model_copy(update={"window_stride": 40})})
    losses = {task: [] for task in TASKS}
    with torch.inference_mode():
        for item in DenseWindows(data, CALIBRATE, once):
            output = result.model(item["x"][None], item["instrument"][None], item["timeframe"][None])
            for task in TASKS:
                labels = item["labels"][task]
                rows = torch.log_softmax(output.tasks[task].logits[0], -1)[labels >= 0]
                losses[task] += (-rows.gather(1, labels[labels >= 0, None])).flatten().tolist()
    for task in TASKS:
        expected = result.history[f"calibrate_{task}_log_loss"][result.best_epochs[0]]
        assert np.mean(losses[task]) == pytest.approx(expected, rel=1e-5)


def test_the_same_seed_trains_the_same_model_and_another_seed_another(whole_run, tmp_path):
    _, first = whole_run
    torch.rand(5)
    same_numbers(train(DATA, short_config(), tmp_path / "a", progress=False).history, first.history)
    other = train(DATA, short_config(training={"seed": 1, "epochs": 1}), tmp_path / "b", progress=False)
    assert other.history["train_total"][0] != first.history["train_total"][0]


def test_training_leaves_the_global_random_state_and_threads_as_they_were(tmp_path):
    torch.manual_seed(5)
    expected, threads = torch.rand(3), torch.get_num_threads()
    torch.manual_seed(5)
    train(DATA, short_config(training={"epochs": 1}), tmp_path, progress=False)
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads


def test_a_run_killed_within_an_epoch_and_resumed_equals_one_that_was_not(whole_run, tmp_path):
    _, whole = whole_run
    stop = StopAfter(2, RuntimeError("killed"))
    with pytest.raises(RuntimeError, match="killed"):
        train(DATA, short_config(), tmp_path, progress=False, callbacks=[stop])
    resumed = train(DATA, short_config(), tmp_path, progress=False)
    same_numbers(resumed.history, whole.history)
    pd.testing.assert_frame_equal(resumed.importance, whole.importance, check_exact=True)
    assert same_weights(resumed.model, whole.model)


def test_ctrl_c_arrives_as_keyboard_interrupt_and_the_run_can_be_resumed(whole_run, tmp_path):
    _, whole = whole_run
    with pytest.raises(KeyboardInterrupt):
        train(DATA, short_config(), tmp_path, progress=False, callbacks=[StopAfter(1, KeyboardInterrupt())])
    same_numbers(train(DATA, short_config(), tmp_path, progress=False).history, whole.history)


def test_a_shorter_run_can_be_lengthened(whole_run, tmp_path):
    _, whole = whole_run
    train(DATA, short_config(training={"epochs": 2}), tmp_path, progress=False)
    same_numbers(train(DATA, short_config(), tmp_path, progress=False).history, whole.history)


def test_a_finished_run_is_only_read(whole_run):
    folder, whole = whole_run
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    again = train(DATA, short_config(), folder, progress=False)
    pd.testing.assert_frame_equal(again.history, whole.history)
    assert same_weights(again.model, whole.model)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_folder_holds_two_checkpoints_and_nothing_else(whole_run):
    folder, _ = whole_run
    assert sorted(path.name for path in folder.iterdir()) == ["best.ckpt", "last.ckpt"]


def test_another_run_s_folder_is_refused_unless_started_anew(tmp_path):
    config = short_config(training={"epochs": 1})
    train(DATA, config, tmp_path, progress=False)
    for other in (short_config(loss={"auxiliary": 0.5}, training={"epochs": 1}),):
        with pytest.raises(InputError, match="another configuration"):
            train(DATA, other, tmp_path, progress=False)
    with pytest.raises(InputError, match="other data"):
        train(dataclasses.replace(DATA, fingerprint="x"), config, tmp_path, progress=False)
    assert len(train(DATA, other, tmp_path, resume=False, progress=False).history) == 1


def test_training_stops_after_patience_epochs_without_progress_and_stays_stopped(tmp_path):
    data = planted_data(bars=900, shuffled=True)
    config = short_config(training={"epochs": 40, "patience": 2, "learning_rate": 0.03, "warmup_epochs": 0.0})
    result = train(data, config, tmp_path, progress=False)
    assert len(result.history) == result.best_epochs[0] + 3 < 40
    assert len(train(data, config, tmp_path, progress=False).history) == len(result.history)


def test_epochs_that_brought_no_progress_are_kept_for_a_resumed_run(tmp_path):
    data = planted_data(bars=900, shuffled=True)
    config = short_config(training={"epochs": 40, "patience": 3, "learning_rate": 0.03, "warmup_epochs": 0.0})
    whole = train(data, config, tmp_path, progress=False)
    before = (tmp_path / "last.ckpt").stat().st_mtime_ns
    same_numbers(train(data, config, tmp_path, progress=False).history, whole.history)
    assert (tmp_path / "last.ckpt").stat().st_mtime_ns == before


def test_fewer_windows_than_a_batch_still_train(tmp_path):
    config = short_config(training={"epochs": 2, "batch_size": 512, "accumulate": 8, "warmup_epochs": 0.0})
    result = train(DATA, config, tmp_path, progress=False)
    start = build_model(DATA, config)
    torch.manual_seed(0)
    start = build_model(DATA, config)
    assert not same_weights(result.model, start)
    assert result.history["train_total"].is_monotonic_decreasing


def test_a_loss_that_is_not_finite_is_said_in_one_sentence(tmp_path):
    config = short_config(training={"learning_rate": 1e30, "warmup_epochs": 0.0})
    with pytest.raises(InputError, match=r"lower training\.learning_rate"):
        train(DATA, config, tmp_path, progress=False)


@pytest.mark.parametrize(
    "sections",
    [
        {"training": {"dense": False, "window_stride": 20}},
        {"loss": {"adversarial_epsilon": 1.0}},
        {"loss": {"class_weights": True, "label_smoothing": 0.05}},
        {"loss": {"auxiliary": 0.0}, "model": {"feature_gate": False, "temporal_bias": False}},
        {"training": {"precision": "bf16-mixed"}},
    ],
    ids=["last position alone", "adversarial", "class weights", "bare", "bf16"],
)
def test_every_switch_trains(sections, tmp_path):
    training = {"epochs": 3, "warmup_epochs": 0.0} | sections.pop("training", {})
    result = train(DATA, short_config(training=training, **sections), tmp_path, progress=False)
    assert np.isfinite(result.history.to_numpy()).all()
    assert result.history["train_total"].iloc[-1] < result.history["train_total"].iloc[0]


def test_dense_and_last_position_training_score_the_same_label_alike():
    config = planted_config()
    dense = TransformerModule(build_model(DATA, config), config, *2 * [DenseWindows(DATA, TRAIN, config)])
    alone_config = planted_config(training={"dense": False})
    alone = TransformerModule(dense.model, alone_config, *2 * [DenseWindows(DATA, TRAIN, alone_config)])
    item = next(iter(LastBarWindows(DATA, TRAIN, config)))
    keys = ("x", "instrument", "timeframe", "intensity")
    batch = {key: item[key][None] for key in keys}
    batch["labels"] = {task: labels[None] for task, labels in item["labels"].items()}
    dense.eval()
    first, second = dense._terms(batch), alone._terms(batch)
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], atol=1e-5, rtol=1e-5)


def test_the_bar_and_the_parameter_count_go_to_stderr(tmp_path, capsys):
    result = train(DATA, short_config(training={"epochs": 2}), tmp_path)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"{result.model.parameter_count():,} parameters" in captured.err
    assert "epoch 2, calibrate log-loss" in captured.err
    assert "100%" in captured.err
    train(DATA, short_config(training={"epochs": 3}), tmp_path, progress=False)
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU")
def test_an_accelerator_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"training\.accelerator=cpu"):
        train(DATA, short_config(training={"accelerator": "gpu"}), tmp_path, progress=False)


def test_segments_without_a_window_are_refused(tmp_path):
    short = planted_data(bars=59)
    with pytest.raises(InputError, match="at least 60 bars"):
        train(short, short_config(), tmp_path, progress=False)
    never = {task: np.where(DATA.series[0].segments[task] == CALIBRATE, -1, 0) for task in TASKS}
    unwatched = dataclasses.replace(DATA, series=[dataclasses.replace(DATA.series[0], segments=never)])
    with pytest.raises(InputError, match="earlier part of calibrate"):
        train(unwatched, short_config(), tmp_path, progress=False)


def test_a_training_that_has_a_stop_segment_never_looks_at_calibrate(tmp_path):
    def parted(seed: int, scrambled: int) -> PreparedData:
        rng = np.random.default_rng(seed)
        series = []
        for one in DATA.series:
            segment = one.segments[TASKS[0]].copy()
            held = np.flatnonzero(segment == CALIBRATE)
            segment[held[: len(held) // 2]] = STOP
            chosen = segment == scrambled
            labels = {task: values.copy() for task, values in one.labels.items()}
            for values in labels.values():
                values[chosen] = rng.permutation(values[chosen])
            series.append(dataclasses.replace(one, segments=dict.fromkeys(TASKS, segment), labels=labels))
        first = np.flatnonzero(series[0].segments[TASKS[0]] == CALIBRATE)[0]
        stop_end = pd.Timestamp(series[0].ts[first], tz="UTC")
        borders = dataclasses.replace(DATA.borders, stop_end=stop_end)
        return dataclasses.replace(DATA, series=series, borders=borders)

    def scores(name: str, data: PreparedData) -> np.ndarray:
        config = short_config(training={"epochs": 1})
        return train(data, config, tmp_path / name, progress=False).history[MONITOR].to_numpy()

    first = scores("first", parted(0, CALIBRATE))
    np.testing.assert_array_equal(first, scores("second", parted(1, CALIBRATE)))
    assert not np.array_equal(first, scores("third", parted(1, STOP)))


def test_weight_decay_reaches_linear_weights_alone():
    model = MarketTransformer(Config().model, 30, Config().tasks, 7, 2)
    decayed, kept = split_by_decay(model)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    spared = {names[id(parameter)] for parameter in kept}
    assert {"gate", "position", "instrument.weight", "timeframe.weight", "final_norm.weight"} <= spared
    assert {f"blocks.{i}.attention.bias_scale" for i in range(4)} <= spared
    assert all(parameter.ndim == 2 and "norm" not in names[id(parameter)] for parameter in decayed)
    assert all(name.endswith("bias") for name in spared if "heads" in name)
    assert len(decayed) + len(kept) == len(names)


def test_the_learning_rate_rises_linearly_then_falls_in_cosine_cycles():
    training = short_config(
        training={"learning_rate": 1.0, "warmup_epochs": 2.0, "restart_epochs": 3, "restart_factor": 2}
    ).training
    steps = 5
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=training.learning_rate)
    schedule = cosine_with_restarts(optimizer, training, steps)
    rates = []
    for _ in range(10 + 15 + 30):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    expected = [0.01 + 0.99 * step / 10 for step in range(10)]
    for cycle in (15, 30):
        expected += [(1 + math.cos(math.pi * step / cycle)) / 2 for step in range(cycle)]
    np.testing.assert_allclose(rates, expected, atol=1e-9)


@pytest.mark.parametrize(
    ("asked", "bf16", "expected"),
    [
        ("auto", True, "bf16-mixed"),
        ("auto", False, "32-true"),
        ("32-true", True, "32-true"),
        ("bf16-mixed", False, "bf16-mixed"),
    ],
)
def test_precision_auto_is_bf16_where_the_cpu_has_the_instructions(monkeypatch, asked, bf16, expected):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bf16, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
    training = short_config(training={"precision": asked, "accelerator": "cpu"}).training
    assert choose_precision(training) == expected


def test_the_best_model_beats_chance_on_bars_it_was_not_trained_on(whole_run):
    _, result = whole_run
    scores = score_last_bars(result.model, LastBarWindows(DATA, CALIBRATE, short_config()))
    direction = scores.tasks["direction"]
    assert (direction.logits.argmax(1) == direction.labels).mean() > 0.45
