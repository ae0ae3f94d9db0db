"""Risk-coverage curves and what each confidence source adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.figures.reliability import finish, mark_folds, stated_line
from app.figures.theme import GREY, ink
from app.words.confidence import stated_title
from core.review.selective import FEWEST, Curve
from core.review.sets import FOLLOWED, SetsThroughTime


def risk_figure(
    curves: Mapping[str, Curve], shown: Sequence[str], *, dark: bool, height: int = 440
) -> go.Figure:
    """Share wrong against the share acted on, surest first, with the oracle and the random line."""
    figure = go.Figure()
    every = next(iter(curves.values()))
    figure.add_scatter(
        x=every.coverage, y=every.oracle, mode="lines", line={"color": GREY, "width": 1, "dash": "dot"},
        name="best possible order", hovertemplate="%{x:.0%} acted on, %{y:.1%} wrong<extra>oracle</extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=[0, 1], y=[every.random, every.random], mode="lines",
        line={"color": GREY, "width": 1, "dash": "dash"},
        name="random order", hoverinfo="skip",
    )  # fmt: skip
    for name in shown:
        if name not in curves:
            continue
        curve = curves[name]
        figure.add_scatter(
            x=curve.coverage, y=curve.risk, mode="lines", line=stated_line(name, dark),
            name=stated_title(name), customdata=curve.threshold,
            hovertemplate="above %{customdata:.0%}: %{x:.0%} acted on, "
            f"%{{y:.1%}} wrong<extra>{stated_title(name)}</extra>",
        )  # fmt: skip
    finish(
        figure,
        "Wrong, when only the surest are acted on: lower is better",
        height,
        top=60 + 20 * ((len(shown) + 3) // 2),
    )
    figure.update_yaxes(title_text="share wrong", tickformat=".0%", rangemode="tozero")
    figure.update_xaxes(
        title_text=f"share acted on, surest first, from {FEWEST} calls on", tickformat=".0%",
        range=[0, 1], title_standoff=4,
    )  # fmt: skip
    return figure


def areas_figure(table: pd.DataFrame, *, dark: bool, height: int = 400) -> go.Figure:
    """What each confidence gains over a random order, with whiskers; the table is `score_areas`."""
    lines = table.iloc[::-1]
    figure = go.Figure()
    for name, line in lines.to_dict("index").items():
        style = stated_line(str(name), dark)
        figure.add_scatter(
            x=[line["gain"]], y=[stated_title(str(name))], mode="markers",
            marker={"size": 11 if name == "confidence" else 7, "color": style["color"]},
            error_x={
                "type": "data", "symmetric": False, "array": [line["gain_high"] - line["gain"]],
                "arrayminus": [line["gain"] - line["gain_low"]], "color": style["color"],
                "thickness": 3 if name == "confidence" else 1.4, "width": 4,
            },
            hovertemplate="%{x:.4f}<extra></extra>",
        )  # fmt: skip
    figure.add_vline(x=0, line={"color": GREY, "width": 1, "dash": "dash"})
    finish(figure, "Gain over a random order: above 0 is knowledge", height, legend=False)
    figure.update_xaxes(
        title_text="fewer errors, mean over all shares acted on", title_standoff=4, tickformat=".1%"
    )
    return figure


def leave_out_figure(table: pd.DataFrame, *, dark: bool, height: int = 300) -> go.Figure:
    """What each source adds to the sum and to the learned mix; the table is `leave_out`."""
    figure = go.Figure()
    for kind, symbol, shift in (("raw", "circle", 0.12), ("mix", "diamond-open", -0.12)):
        known = table[table[f"{kind}_value"].notna()]
        figure.add_scatter(
            x=known[f"{kind}_value"],
            y=[list(table.index).index(name) + shift for name in known.index],
            mode="markers", name=f"added to the {stated_title(kind)}",
            marker={"symbol": symbol, "size": 9, "color": ink(dark)},
            error_x={
                "type": "data", "symmetric": False, "array": known[f"{kind}_high"] - known[f"{kind}_value"],
                "arrayminus": known[f"{kind}_value"] - known[f"{kind}_low"], "thickness": 1.4, "width": 4,
            },
            hovertemplate="%{x:+.2%}<extra></extra>",
        )  # fmt: skip
    figure.add_vline(x=0, line={"color": GREY, "width": 1, "dash": "dash"})
    finish(figure, "What each source adds: errors that return without it", height)
    figure.update_yaxes(
        tickvals=list(range(len(table))), ticktext=[stated_title(str(n)) for n in table.index],
        range=[len(table) - 0.5, -0.5],
    )  # fmt: skip
    figure.update_xaxes(title_text="AURC without it less AURC with it", title_standoff=4, tickformat="+.1%")
    return figure


def sets_figure(found: SetsThroughTime, *, dark: bool, height: int = 400) -> go.Figure:
    """Rolling coverage beside the promised level above the mean size of the sets; folds marked."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.06)
    fixed = {"color": ink(dark), "width": 2.4}
    moving = {"color": ink(dark), "width": 1.2, "dash": "dot"}
    kinds = (
        (found.held, found.size, fixed, "threshold from the bars held back"),
        (found.following, found.following_size, moving, f"threshold follows the last {FOLLOWED} outcomes"),
    )
    for held, size, line, label in kinds:
        for row, values, form in ((1, held, ".1%"), (2, size, ".2f")):
            figure.add_scatter(
                x=found.time, y=values, mode="lines", line=line, name=label, legendgroup=label,
                showlegend=row == 1, connectgaps=False,
                hovertemplate="%{x|%Y-%m-%d}: %{y:" + form + "}<extra>" + label + "</extra>", row=row, col=1,
            )  # fmt: skip
    figure.add_scatter(
        x=found.time[[0, -1]], y=[found.level, found.level], mode="lines", name=f"promised {found.level:.0%}",
        line={"color": GREY, "width": 1.4, "dash": "dash"}, hoverinfo="skip", row=1, col=1,
    )  # fmt: skip
    mark_folds(figure, found.borders)
    finish(figure, f"Sets through time, over the last {found.window:,} predictions each", height)
    figure.update_yaxes(title_text="held the truth", tickformat=".0%", nticks=5, row=1, col=1)
    figure.update_yaxes(
        title_text=f"classes of {found.classes}", range=[0.9, found.classes + 0.1], nticks=4, row=2, col=1
    )
    figure.update_xaxes(title_text="bar open, UTC", title_standoff=4, row=2, col=1)
    return figure
