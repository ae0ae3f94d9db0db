"""Several transformers that answer as one: the mean of their logits.

Shapes: B windows, T bars, N features, M members, each of width D, L layers and H heads; C classes; T|1 means
1 when only the last bar is wanted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from core.config import ModelConfig
from core.errors import InputError
from core.models.heads import HeadOutput
from core.models.transformer import MarketTransformer, ModelOutput, NeedAttention


class MarketEnsemble(nn.Module):
    """Members of one architecture, trained apart.

    Every logit, and so every prediction and attribution, is the mean over the members. Their representations
    stand side by side (M * D values), and so do their attention heads (M * H in each layer): a member's
    heads have nothing to do with those of another.

    Parameters
    ----------
    members
        At least two, alike in configuration, features and tasks.
    """

    def __init__(self, members: Sequence[MarketTransformer]) -> None:
        super().__init__()
        assert len(members) > 1
        self.members = nn.ModuleList(members)

    @property
    def config(self) -> ModelConfig:
        """Of each member."""
        return list_members(self)[0].config

    @property
    def num_features(self) -> int:
        """N."""
        return list_members(self)[0].num_features

    @property
    def heads(self) -> nn.ModuleDict:
        """Of the first member: their names are those of the tasks."""
        return list_members(self)[0].heads

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
        """As `MarketTransformer.forward`, of all members.

        Returns
        -------
        ModelOutput
            ``tasks`` and ``layers`` of mean logits, ``representation`` (B, T|1, M * D), ``attention`` L of
            (B, M * H, ...), the first member's heads first.
        """
        said = [
            member(
                x,
                instrument,
                timeframe,
                last_only=last_only,
                need_layers=need_layers,
                need_attention=need_attention,
            )
            for member in self.members
        ]
        return ModelOutput(
            tasks=mean_outputs([output.tasks for output in said]),
            layers=[mean_outputs(layer) for layer in zip(*(output.layers for output in said), strict=True)],
            representation=torch.cat([output.representation for output in said], dim=-1),
            attention=join_heads([output.attention for output in said]),
        )

    def feature_importance(self) -> Tensor:
        """Mean over the members of `MarketTransformer.feature_importance`, (N,)."""
        return torch.stack([member.feature_importance() for member in list_members(self)]).mean(0)

    def bias_scales(self) -> Tensor:
        """Learned scale of the temporal bias by layer and head, (L, M * H)."""
        return torch.cat([member.bias_scales() for member in list_members(self)], dim=1)

    def parameter_count(self) -> int:
        """Number of trainable values, of all members."""
        return sum(member.parameter_count() for member in list_members(self))


Model = MarketTransformer | MarketEnsemble


def list_members(model: Model) -> list[MarketTransformer]:
    """The transformers a model consists of: itself, or its members."""
    if isinstance(model, MarketEnsemble):
        return [cast(MarketTransformer, member) for member in model.members]
    return [model]


def choose_member(model: Model, member: int | None) -> Model:
    """One member, counted from 1, or the whole model when None.

    Raises
    ------
    InputError
        If the model has no such member.
    """
    if member is None:
        return model
    members = list_members(model)
    if not 1 <= member <= len(members):
        count = len(members)
        expected = f"a member from 1 to {count}" if count > 1 else "member 1: the model is one transformer"
        raise InputError(expected, str(member), "choose one of them, or none for all together")
    return members[member - 1]


def join_members(members: Sequence[MarketTransformer]) -> Model:
    """One model of them all; a single one stays as it is."""
    return members[0] if len(members) == 1 else MarketEnsemble(members)


def mean_outputs(outputs: Sequence[dict[str, HeadOutput]]) -> dict[str, HeadOutput]:
    """The members' heads as one, by task: the mean of everything they say."""
    return {name: _mean([output[name] for output in outputs]) for name in outputs[0]}


def join_heads(attention: Sequence[list[Tensor]]) -> list[Tensor]:
    """The members' attention weights, each L of (B, H, ...), as L of (B, M * H, ...)."""
    return [torch.cat(layer, dim=1) for layer in zip(*attention, strict=True)]


def _mean(outputs: Sequence[HeadOutput]) -> HeadOutput:
    if len(outputs) == 1:
        return outputs[0]

    def mean(parts: Sequence[Tensor | None]) -> Tensor | None:
        known = [part for part in parts if part is not None]
        return torch.stack(known).mean(0) if known else None

    return HeadOutput(
        logits=torch.stack([output.logits for output in outputs]).mean(0),
        confidence_logit=torch.stack([output.confidence_logit for output in outputs]).mean(0),
        intensity=mean([output.intensity for output in outputs]),
        direct=mean([output.direct for output in outputs]),
    )
