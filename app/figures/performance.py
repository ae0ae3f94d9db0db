"""Scores with whiskers, confusion matrices, label balance and learning curves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from app.figures.reliability import finish
from app.figures.theme import GREY, attention_scale, class_color, class_sign, ink, ink_on
from app.review.words import SCORE_WORDS
from core.data.bars import one_column
from core.review.performance import MODEL


def scores_figure(table: pd.DataFrame, score: str, *, title: str, dark: bool, height: int = 330) -> go.Figure:
    """One score of every forecaster with its 95% interval: the model thick, baselines thin and grey."""
    spec = SCORE_WORDS[score]
    order = one_column(table, score).sort_values(ascending=spec.higher_is_better).index
    figure = go.Figure()
    middle = float(table.loc[MODEL, score]) if MODEL in table.index else -np.inf  # type: ignore[arg-type]
    for name in order:
        line, own = table.loc[name], name == MODEL
        color = ink(dark) if own else GREY
        value, low, high = (float(line[f"{score}{part}"]) for part in ("", "_low", "_high"))
        form = ".1%" if spec.percent else ".4f"
        figure.add_scatter(
            x=[value], y=[f"<b>{name}</b>" if own else name], mode="markers+text",
            text=[f"<b>{value:{form}}</b>" if own else f"{value:{form}}"], 
            # Away from the upright through the model's score.
            textposition="top right" if value >= middle else "top left",
            textfont={"size": 11}, marker={"size": 12 if own else 7, "color": color},
            error_x={
                "type": "data", "symmetric": False, "array": [np.nan_to_num(high - value)],
                "arrayminus": [np.nan_to_num(value - low)], "color": color,
                "thickness": 3.5 if own else 1.2, "width": 5,
            },
            hovertemplate=f"{name}: %{{x:{form}}} [{low:{form}}, {high:{form}}]<extra></extra>",
        )  # fmt: skip
    if MODEL in table.index:
        figure.add_vline(x=middle, line={"color": GREY, "width": 1, "dash": "dot"})
    finish(figure, title, height, legend=False)
    side = "right is better" if spec.higher_is_better else "left is better"
    figure.update_xaxes(
        title_text=f"{spec.label}: {side}", tickformat=".1%" if spec.percent else "", title_standoff=4
    )
    figure.update_yaxes(range=[-0.6, len(order) - 0.3])
    return figure


def folds_figure(
    tables: Sequence[pd.DataFrame | None], score: str, *, dark: bool, height: int = 330
) -> go.Figure:
    """One score of every forecaster by fold; a fold without rows is a gap."""
    spec = SCORE_WORDS[score]
    names = list(dict.fromkeys(name for table in tables if table is not None for name in table.index))
    labels = [f"fold {k}" for k in range(len(tables))]
    figure = go.Figure()
    symbols = ("circle-open", "square-open", "diamond-open", "triangle-up-open", "x-thin-open", "cross-open")
    for i, name in enumerate([n for n in names if n != MODEL] + [n for n in names if n == MODEL]):
        own = name == MODEL
        found = np.array(
            [
                [float("nan")] * 3
                if table is None or name not in table.index
                else [table.loc[name, f"{score}{part}"] for part in ("", "_low", "_high")]
                for table in tables
            ],
            dtype=float,
        )
        whiskers = {
            "type": "data", "symmetric": False, "array": np.nan_to_num(found[:, 2] - found[:, 0]),
            "arrayminus": np.nan_to_num(found[:, 0] - found[:, 1]), "thickness": 2, "width": 4,
        } if own else None  # fmt: skip
        figure.add_scatter(
            x=labels, y=found[:, 0], mode="lines+markers", name=name, connectgaps=False, error_y=whiskers,
            line={"color": ink(dark) if own else GREY, "width": 3.5 if own else 1.1},
            marker={"symbol": "circle" if own else symbols[i % len(symbols)], "size": 9 if own else 8},
            hovertemplate="%{x}: %{y:.4f}<extra>" + name + "</extra>",
        )  # fmt: skip
    finish(figure, "The same in every fold", height, top=118)
    figure.update_yaxes(title_text=spec.label, tickformat=".1%" if spec.percent else "")
    return figure


def confusion_figure(
    counts: Sequence[Sequence[int]], classes: Sequence[str], *, title: str, dark: bool, height: int = 320
) -> go.Figure:
    """What happened (rows) against what was called (columns), each row in shares with its counts."""
    table = np.array(counts, dtype=float)
    total = table.sum(axis=1, keepdims=True)
    share = np.divide(table, total, out=np.full_like(table, np.nan), where=total > 0)
    labels = [f"{class_sign(name)} {name}" for name in classes]
    text = [
        [f"{100 * s:.0f}%<br>{c:,.0f}" if np.isfinite(s) else "none" for s, c in zip(*row, strict=True)]
        for row in zip(share, table, strict=True)
    ]
    figure = go.Figure(
        go.Heatmap(
            z=share, x=labels, y=labels, zmin=0, zmax=1, colorscale=attention_scale(dark), showscale=False,
            text=text, xgap=2, ygap=2,
            hovertemplate="happened %{y}, called %{x}: %{text}<extra></extra>",
        )
    )  # fmt: skip
    # Plotly's own choice of text colour is a grey that is hard to read on middle tones.
    for row, column in np.ndindex(share.shape):
        known = np.isfinite(share[row, column])
        figure.add_annotation(
            x=column, y=row, text=text[row][column], showarrow=False,
            font={"color": ink_on(_shade(float(share[row, column]), dark)) if known else ink(dark)},
        )  # fmt: skip
    finish(figure, title, height, legend=False)
    figure.update_yaxes(title_text="happened", autorange="reversed")
    figure.update_xaxes(title_text="called", title_standoff=4)
    return figure


def _shade(share: float, dark: bool) -> str:
    """Hex colour of a share on the scale of `confusion_figure`."""
    (color,) = sample_colorscale(attention_scale(dark), [share], colortype="tuple")
    return "#" + "".join(f"{round(255 * float(channel)):02X}" for channel in color)


def balance_figure(table: pd.DataFrame, *, height: int = 300) -> go.Figure:
    """Shares of the classes among the test labels, by fold; `table` is `balance_labels`."""
    figure = go.Figure()
    for i, name in enumerate(column for column in table.columns if column != "rows"):
        color = class_color(name, i)
        figure.add_bar(
            x=table[name], y=[f"{fold} (n = {int(n):,})" for fold, n in one_column(table, "rows").items()],
            orientation="h", name=f"{class_sign(name)} {name}", marker={"color": color},
            text=[f"{class_sign(name)} {100 * s:.0f}%" for s in table[name]], textposition="inside",
            insidetextanchor="middle", textfont={"color": ink_on(color)},
            hovertemplate="%{y}: %{x:.1%}<extra>" + name + "</extra>",
        )  # fmt: skip
    finish(figure, "What really happened: share of each class", height)
    figure.update_layout(barmode="stack")
    figure.update_xaxes(tickformat=".0%", range=[0, 1])
    figure.update_yaxes(autorange="reversed")
    return figure


def learning_figure(table: pd.DataFrame, *, dark: bool, height: int = 300) -> go.Figure:
    """Loss in train (thin, grey) and calibrate (thick) by epoch and fold; a ring marks the epoch kept."""
    figure = go.Figure()
    for fold, part in table.groupby("fold"):
        first = fold == table["fold"].iloc[0]
        for column, label, line in (
            ("train", "while training", {"color": GREY, "width": 1.2, "dash": "dot"}),
            ("calibrate", "on bars held back", {"color": ink(dark), "width": 2}),
        ):
            figure.add_scatter(
                x=part["epoch"], y=part[column], mode="lines+markers", name=label, line=line,
                marker={"size": 4},
                legendgroup=label, showlegend=bool(first),
                hovertemplate=f"fold {fold}, epoch %{{x}}: %{{y:.4f}}<extra>{label}</extra>",
            )  # fmt: skip
        kept = part[part["kept"]]
        figure.add_scatter(
            x=kept["epoch"], y=kept["calibrate"], mode="markers", name="epoch kept", legendgroup="kept",
            showlegend=bool(first), marker={"symbol": "circle-open", "size": 12, "color": ink(dark)},
            hoverinfo="skip",
        )  # fmt: skip
    finish(figure, "Learning: loss by epoch, one pair of lines a fold", height)
    figure.update_yaxes(title_text="log-loss, nats")
    figure.update_xaxes(title_text="epoch", dtick=max(1, int(np.max(table["epoch"])) // 10), title_standoff=4)
    return figure
