"""The market transformer: features of a window of bars in, every task's prediction at every bar out.

Shapes: B windows, T bars, N features, D model width, L layers, H heads; T|1 means 1 when only the last bar is
wanted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from core.config import ModelConfig, TaskConfig
from core.errors import ConfigError, WindowError
from core.models.attention import TemporalBiasedAttention
from core.models.direct import INPUT_CENTRE, INPUT_SPREAD, DirectPath
from core.models.dropout import Dropout
from core.models.heads import HeadOutput, TaskHead

UNKNOWN = 0
"""Index of an instrument or timeframe the model was not trained on; known ones count from 1."""

CONTEXT_SPREAD = 0.3

NeedAttention = Literal["last", "full"] | None


@dataclass(frozen=True)
class EncoderStates:
    """What the encoder computed on the way.

    Attributes
    ----------
    layers
        Output of each layer before the final norm: L of (B, T, D); the last is (B, 1, D) when only the last
        bar was wanted.
    attention
        L tensors, (B, H, T, T) for "full", (B, H, T) for "last"; empty when none was asked for.
    """

    layers: list[Tensor]
    attention: list[Tensor]


@dataclass(frozen=True)
class ModelOutput:
    """What the model says.

    Attributes
    ----------
    tasks
        Task name -> outputs at (B, T|1).
    layers
        The heads applied to every layer's output through the final norm, L of them, the last being `tasks`;
        empty unless asked for.
    representation
        Output of the final norm, (B, T|1, D).
    attention
        As `EncoderStates.attention`.
    """

    tasks: dict[str, HeadOutput]
    layers: list[dict[str, HeadOutput]]
    representation: Tensor
    attention: list[Tensor]


class TransformerBlock(nn.Module):
    """Pre-norm attention and feed-forward network, each added to its input."""

    def __init__(self, config: ModelConfig, window: int | None) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.d_model)
        self.attention = TemporalBiasedAttention(
            config.d_model,
            config.num_attention_heads,
            window,
            config.bias_decay,
            config.temporal_bias,
            config.dropout,
        )
        self.attention_dropout = Dropout(config.dropout)
        self.feed_forward_norm = nn.LayerNorm(config.d_model)
        self.expand = nn.Sequential(
            nn.Linear(config.d_model, config.ffn_dim), nn.GELU(), Dropout(config.dropout)
        )
        self.contract = nn.Linear(config.ffn_dim, config.d_model)
        self.feed_forward_dropout = Dropout(config.dropout)

    def forward(
        self, x: Tensor, *, last_only: bool = False, need_weights: bool | Literal["last"] = False
    ) -> tuple[Tensor, Tensor | None]:
        """(B, T, D) -> (B, T|1, D) and the attention weights asked for."""
        mixed, weights = self.attention(
            self.attention_norm(x), last_only=last_only, need_weights=need_weights
        )
        return self.add(x[:, -1:] if last_only else x, mixed), weights

    def add(self, x: Tensor, mixed: Tensor) -> Tensor:
        """Residual path after attention: `x` plus the attended values, plus the feed-forward network."""
        x = x + self.attention_dropout(mixed)
        update = self.contract(self.expand(self.feed_forward_norm(x)))
        return x + self.feed_forward_dropout(update)


class MarketTransformer(nn.Module):
    """Embedding, temporal-biased sparse attention layers, one head per task.

    Parameters
    ----------
    config
        Widths, windows, dropout.
    num_features
        N.
    tasks
        One head each, in this order.
    num_instruments, num_timeframes
        Sizes of the vocabularies; index 0 (unknown) is added to each.
    direct
        Task -> indices of the features its direct path reads; a task that is absent, or names none, has no
        such path.

    Raises
    ------
    ConfigError
        If a task's name holds a dot (names are keys of the stored weights).
    """

    def __init__(
        self,
        config: ModelConfig,
        num_features: int,
        tasks: Sequence[TaskConfig],
        num_instruments: int,
        num_timeframes: int,
        direct: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        super().__init__()
        dotted = [task.name for task in tasks if "." in task.name or hasattr(nn.ModuleDict, task.name)]
        if dotted:
            raise ConfigError("task names that can name stored weights", repr(dotted[0]), "rename the task")
        self.config = config
        self.num_features = num_features
        gate = torch.ones(num_features)
        if config.feature_gate:
            self.gate = nn.Parameter(gate)
        else:
            self.register_buffer("gate", gate)
        self.projection = nn.Linear(num_features, config.d_model)
        self.position = nn.Parameter(torch.empty(config.sequence_length, config.d_model))
        known = 1 + num_instruments
        self.instrument = nn.Embedding(known, config.d_model) if config.instrument_embedding else None
        self.timeframe = nn.Embedding(1 + num_timeframes, config.d_model)
        self.embedding_dropout = Dropout(config.dropout)
        self.blocks = nn.ModuleList(TransformerBlock(config, window) for window in config.windows)
        self.final_norm = nn.LayerNorm(config.d_model)
        self.heads = nn.ModuleDict(
            {task.name: _head(config, task, (direct or {}).get(task.name, ())) for task in tasks}
        )
        self._initialise()

    def forward(
        self,
        x: Tensor,
        instrument: Tensor,
        timeframe: Tensor,
        *,
        last_only: bool = False,
        need_layers: bool = False,
        need_attention: NeedAttention = None,
    ) -> ModelOutput:
        """Predict every task.

        Parameters
        ----------
        x
            Features on the 0..100 scale, (B, T, N) with T = ``config.sequence_length``.
        instrument, timeframe
            Vocabulary indices, (B,) int64; 0 = unknown.
        last_only
            Only the last bar is wanted: outputs have one position, the last layer computes one query.
        need_layers
            Apply the heads to every layer's output too.
        need_attention
            "last": the last bar's weights of every layer; "full": every bar's, on the explicit path.

        Raises
        ------
        WindowError
            If `x` has another length or another number of features.
        """
        embedded = self.embed(x, instrument, timeframe)
        states = self.encode(embedded, last_only=last_only, need_attention=need_attention)
        position = slice(-1, None) if last_only else slice(None)
        representation = self.final_norm(states.layers[-1][:, position])
        inputs = x[:, position]
        tasks = self.read(representation, inputs)
        layers = []
        if need_layers:
            layers = [self.read(self.final_norm(layer[:, position]), inputs) for layer in states.layers[:-1]]
            layers.append(tasks)
        return ModelOutput(tasks, layers, representation, states.attention)

    def embed(self, x: Tensor, instrument: Tensor, timeframe: Tensor) -> Tensor:
        """Features and context of every bar, (B, T, D).

        In training mode a share ``config.embedding_dropout`` of the windows has its instrument hidden (set to
        unknown) and, independently, its timeframe.
        """
        self._check_window(x)
        if self.training and self.config.embedding_dropout:
            instrument, timeframe = self._hide(instrument), self._hide(timeframe)
        features = self.projection((x - INPUT_CENTRE) / INPUT_SPREAD * self.gate)
        context = self.timeframe(timeframe)
        if self.instrument is not None:
            context = self.instrument(instrument) + context
        return self.embedding_dropout(features + self.position + context[:, None])

    def encode(
        self, embedded: Tensor, *, last_only: bool = False, need_attention: NeedAttention = None
    ) -> EncoderStates:
        """Run the layers on `embed`'s output (B, T, D)."""
        hidden, layers, attention = embedded, [], []
        for index, block in enumerate(self.blocks):
            # A full map of the last layer needs every query, so nothing can be saved there.
            shorten = last_only and index == len(self.blocks) - 1 and need_attention != "full"
            need = "last" if need_attention == "last" else need_attention == "full"
            hidden, weights = block(hidden, last_only=shorten, need_weights=need)
            layers.append(hidden)
            if weights is not None:
                attention.append(weights)
        return EncoderStates(layers, attention)

    def read(self, representation: Tensor, inputs: Tensor) -> dict[str, HeadOutput]:
        """Apply every head to final-normed representations (..., D) and the same bars' features (..., N)."""
        return {name: head(representation, inputs) for name, head in self.heads.items()}

    def feature_importance(self) -> Tensor:
        """abs(gate) times the length of each feature's projection column, (N,), detached."""
        return (self.gate.abs() * self.projection.weight.norm(dim=0)).detach()

    def bias_scales(self) -> Tensor:
        """Learned scale of the temporal bias by layer and head, (L, H), detached; 0 without the bias."""
        layers = (layer for layer in self.modules() if isinstance(layer, TemporalBiasedAttention))
        return torch.stack([layer.bias_scale for layer in layers]).detach()

    def parameter_count(self) -> int:
        """Number of trainable values."""
        return sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)

    def _hide(self, index: Tensor) -> Tensor:
        hidden = torch.rand(index.shape, device=index.device) < self.config.embedding_dropout
        return index.masked_fill(hidden, UNKNOWN)

    def _check_window(self, x: Tensor) -> None:
        expected = (self.config.sequence_length, self.num_features)
        if x.ndim != 3 or tuple(x.shape[1:]) != expected:
            raise WindowError(
                f"windows of shape (batch, {expected[0]} bars, {expected[1]} features)",
                f"shape {tuple(x.shape)}",
                "give windows prepared for this model",
            )

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding):
                # As large as a projected feature, so that layers can tell series apart from the first step.
                nn.init.normal_(module.weight, std=CONTEXT_SPREAD)
        nn.init.normal_(self.position, std=0.02)
        shrink = 1 / math.sqrt(2 * len(self.blocks))
        with torch.no_grad():
            for module in self.modules():
                if isinstance(module, TransformerBlock):
                    module.attention.output.weight.mul_(shrink)
                    module.contract.weight.mul_(shrink)
                elif isinstance(module, TaskHead):
                    # Probabilities start near uniform, so the first steps are not spent unlearning noise;
                    # beside a direct path, exactly where that stands.
                    module.logits.weight.mul_(0.1 if module.direct is None else 0.0)


def _head(config: ModelConfig, task: TaskConfig, columns: Sequence[int]) -> TaskHead:
    classes = len(task.classes)
    direct = DirectPath(columns, classes) if len(columns) else None
    return TaskHead(config.d_model, classes, task.intensity, config.dropout, direct)
