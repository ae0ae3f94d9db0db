"""Every hyperparameter, validated in one place and loaded from YAML."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from core.settings import Section, read_settings, validate_settings
from core.timeframe import DURATIONS

ASSETS = Path(__file__).resolve().parents[1] / "assets"
"""What ships with the code: defaults, the bundled model and bars, evidence."""

DEFAULT_PATH = ASSETS / "default.yaml"


class DataConfig(Section):
    """Which bars and features the model is given."""

    instruments: list[str] | Literal["all"] = "all"
    timeframes: list[str] = Field(default=["1d", "1w"], min_length=1)
    feature_columns: list[str] | Literal["auto"] = "auto"
    as_is: list[str] = Field(
        default=[], description="columns of the user's data that are features as they are"
    )
    max_forward_fill: int = Field(default=3, ge=0, description="bars a missing value is carried")
    max_missing_share: float = Field(
        default=0.2, ge=0, le=1, description="share of missing cells above which a window is refused"
    )
    scaler_quantiles: tuple[float, float] = Field(default=(0.005, 0.995), strict=False)

    @model_validator(mode="after")
    def _known_timeframes(self) -> DataConfig:
        unknown = [t for t in self.timeframes if t not in DURATIONS]
        if unknown:
            raise ValueError(f"timeframes {unknown} unknown; allowed: {', '.join(DURATIONS)}")
        low, high = self.scaler_quantiles
        if not 0 <= low < high <= 1:
            raise ValueError("scaler_quantiles must be 0 <= low < high <= 1")
        return self


class SplitConfig(Section):
    """Disjoint segments in time, the same borders for every series."""

    train_share: float = Field(default=0.70, gt=0, lt=1, description="of all bars, oldest first")
    calibrate_share: float = Field(default=0.15, gt=0, lt=1)
    stop_share: float = Field(
        default=0.5,
        ge=0,
        lt=1,
        description="of calibrate's bars, the earlier ones, for early stopping alone; 0 = none of its own",
    )
    embargo_bars: int = Field(default=5, ge=0, description="bars left out after each border")
    train_until: str | None = Field(default=None, description="UTC date; overrides train_share")
    calibrate_until: str | None = Field(default=None, description="UTC date")

    @model_validator(mode="after")
    def _leaves_a_test_segment(self) -> SplitConfig:
        if self.train_share + self.calibrate_share >= 1:
            raise ValueError("train_share + calibrate_share must leave a test segment (< 1)")
        if (self.train_until is None) != (self.calibrate_until is None):
            raise ValueError("train_until and calibrate_until are given together or not at all")
        return self


class LabelConfig(Section):
    """Label definitions (DESIGN section 6)."""

    horizon: int = Field(default=5, ge=1, description="bars")
    direction: Literal["volatility_band", "triple_barrier", "fixed_return"] = "volatility_band"
    band: float = Field(default=0.45, gt=0, description="k, in sigma * sqrt(h)")
    round_trip_cost: float = Field(default=0.0004, ge=0, description="fraction of price")
    up: float = Field(
        default=0.0055, gt=0, description="fixed_return: simple return above which the label is Bullish"
    )
    down: float = Field(default=-0.005, lt=0)
    volatility: Literal["garman_klass", "close_to_close"] = "garman_klass"
    ewma_decay: float = Field(default=0.94, gt=0, lt=1)
    regime_window: int = Field(default=20, ge=4, description="bars")
    regime_lead: int = Field(default=10, ge=1, description="of these bars, how many lie after t")
    volatile_quantile: float = Field(default=0.67, gt=0, lt=1)
    reference: Literal["trailing", "frozen"] = Field(
        default="trailing", description="borders of the classes: the series' own past, or training rows"
    )
    reference_bars: int = Field(default=750, ge=2, description="trailing: bars looked back on, this one too")
    reference_minimum: int = Field(
        default=250, ge=2, description="trailing: of these, how many must be known"
    )

    @model_validator(mode="after")
    def _consistent(self) -> LabelConfig:
        if self.regime_lead > self.regime_window:
            raise ValueError("regime_lead must not exceed regime_window")
        if self.reference_minimum > self.reference_bars:
            raise ValueError("reference_minimum must not exceed reference_bars")
        return self


class TaskConfig(Section):
    """One thing the model predicts."""

    name: str
    classes: list[str] = Field(min_length=2)
    label: str = Field(description="direction, volatility, regime, or column:NAME of the user's data")
    weight: float = Field(default=1.0, ge=0)
    intensity: bool = Field(default=False, description="add a regression output of the same quantity")
    direct: list[str] = Field(
        default=[], description="features of the bar itself that a linear path reads into the logits"
    )

    def direct_columns(self, feature_names: Sequence[str]) -> list[int]:
        """Indices of the direct inputs among a model's features; those it does not read are left out."""
        return [feature_names.index(name) for name in self.direct if name in feature_names]


class ModelConfig(Section):
    """The transformer (specification section 3, DESIGN 7)."""

    sequence_length: int = Field(default=300, ge=2)
    d_model: int = Field(default=256, ge=8)
    num_attention_heads: int = Field(default=8, ge=1)
    ffn_dim: int = Field(default=1024, ge=8)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    windows: list[int | None] = Field(
        default=[20, 50, None, None], description="one layer each; null = global", min_length=1
    )
    temporal_bias: bool = True
    bias_decay: float = Field(default=0.1, gt=0, description="lambda, per bar")
    embedding_dropout: float = Field(
        default=0.1, ge=0, lt=1, description="share of windows whose instrument is hidden"
    )
    instrument_embedding: bool = Field(
        default=True, description="false: every instrument is read alike, one never trained on too"
    )
    feature_gate: bool = True
    members: int = Field(
        default=1, ge=1, le=16, description="transformers trained apart whose logits are averaged"
    )

    @model_validator(mode="after")
    def _heads_divide_width(self) -> ModelConfig:
        if self.d_model % self.num_attention_heads:
            raise ValueError("d_model must be a multiple of num_attention_heads")
        return self

    @property
    def num_transformer_layers(self) -> int:
        return len(self.windows)


class LossConfig(Section):
    """Weights of the loss terms (specification section 6)."""

    calibration: float = Field(default=0.1, ge=0)
    gate_l1: float = Field(default=0.01, ge=0)
    intensity: float = Field(default=0.1, ge=0)
    auxiliary: float = Field(default=0.1, ge=0, description="deep supervision, all layers together")
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    class_weights: bool = False
    adversarial_epsilon: float = Field(default=0.0, ge=0, description="FGSM step on the 0-100 scale; 0 = off")


class TrainingConfig(Section):
    """How the transformer is trained."""

    seed: int = 0
    epochs: int = Field(default=30, ge=1)
    batch_size: int = Field(default=64, ge=1, description="windows per optimiser step, all micro-batches")
    accumulate: int = Field(default=4, ge=1, description="micro-batches per optimiser step")
    learning_rate: float = Field(default=3e-4, gt=0)
    weight_decay: float = Field(default=0.05, ge=0)
    warmup_epochs: float = Field(default=1.0, ge=0)
    restart_epochs: int = Field(default=10, ge=1, description="length of the first cosine cycle")
    restart_factor: int = Field(default=2, ge=1)
    gradient_clip: float = Field(default=1.0, gt=0)
    patience: int = Field(default=8, ge=1, description="epochs without a better calibrate log-loss")
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    window_stride: int = Field(default=100, ge=1, description="bars between training windows")
    first_position: int = Field(default=100, ge=0, description="first position that carries a label")
    dense: bool = Field(default=True, description="false: the last position alone carries a label")
    threads: int = Field(default=0, ge=0, description="torch threads; 0 = torch decides")
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: int | Literal["auto"] = 1


class ServeConfig(Section):
    """Where a trained model answers."""

    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="of predictions and explanations; LOOKBACK_DEVICE goes before it"
    )


class Config(Section):
    """The whole configuration of one model."""

    name: str = "lookback"
    data: DataConfig = DataConfig()
    split: SplitConfig = SplitConfig()
    labels: LabelConfig = LabelConfig()
    tasks: list[TaskConfig] = Field(
        default=[
            TaskConfig(
                name="direction",
                classes=["Bullish", "Bearish", "Sideways"],
                label="direction",
                direct=["sigma_over_low", "return_1", "return_5", "mfi_14", "range"],
            ),
            TaskConfig(
                name="volatility",
                classes=["Low", "Medium", "High"],
                label="volatility",
                intensity=True,
                direct=[
                    *(
                        f"volatility_{bars}_{part}"
                        for bars in (1, 5, 22, 60)
                        for part in ("over_low", "below_low", "above_high")
                    ),
                    "volatility_border_gap",
                    "sigma_over_low",
                    "return_2",
                ],
            ),
            TaskConfig(
                name="regime",
                classes=["Trending", "Ranging", "Volatile"],
                label="regime",
                direct=[
                    "known_ratio",
                    "known_filled",
                    "known_net",
                    "known_path",
                    "known_efficiency_over",
                    "known_efficiency_above",
                    "volatility_5_over_high",
                    "volatility_22_over_low",
                    "sigma_over_low",
                    "past_ratio_over",
                    "efficiency_20",
                    "bollinger_20",
                ],
            ),
        ],
        min_length=1,
    )
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    training: TrainingConfig = TrainingConfig()
    serve: ServeConfig = ServeConfig()

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        names = [task.name for task in self.tasks]
        if len(set(names)) != len(names):
            raise ValueError(f"task names must differ, got {names}")
        if self.training.first_position >= self.model.sequence_length:
            raise ValueError("training.first_position must be below model.sequence_length")
        return self


def load_config(path: Path | None = None, overrides: list[str] | None = None) -> Config:
    """Read a YAML file and apply ``key=value`` overrides (dotted keys, YAML values).

    Raises
    ------
    ConfigError
        If the file is missing or no YAML, or a key or value is not allowed.
    """
    return parse_config(read_settings(DEFAULT_PATH if path is None else Path(path), overrides or []))


def parse_config(raw: dict[str, Any]) -> Config:
    """Validate a plain mapping; the first thing wrong is said in one sentence."""
    return validate_settings(Config, raw)
