"""Is the explanation true of the model: its order of removal beside chance and attention."""

from __future__ import annotations

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.figures.theme import BLUE, CANDLES, GREY, INDIGO, apply_layout, ink
from app.words.numbers import percent
from core.explain.faithfulness import Curve, Faithfulness, Spread

ORDERS = {
    "random": ("random orders, mean", GREY, 1.5, "dot"),
    "attention": ("by attention", INDIGO, 1.5, "dash"),
    "attribution": ("by this explanation", BLUE, 3.5, "solid"),
}
"""Name, colour, width and dash of each order; the explanation is drawn last, on top."""


def faithfulness_figure(
    faithfulness: Faithfulness,
    *,
    target: str,
    title: str,
    reference: float | None = None,
    dark: bool = False,
    height: int = 330,
) -> go.Figure:
    """Probability of the class while cells are taken away or given back, most supportive first.

    Parameters
    ----------
    faithfulness
        Curves of the explanation, of random orders (mean, and a band from the lowest to the highest) and,
        where measured, of attention.
    target
        Class whose probability is drawn.
    reference
        Its probability in what is compared with, marked by a line; None draws none.

    Returns
    -------
    go.Figure
        Two panels, taking away at the left and giving back at the right, on one probability axis.
    """
    figure = make_subplots(
        rows=1, cols=2, shared_yaxes=True, horizontal_spacing=0.04,
        subplot_titles=(
            "taken away: a true explanation falls fastest",
            "given back: a true explanation rises fastest",
        ),
    )  # fmt: skip
    for column, ending in enumerate(("deletion", "insertion"), start=1):
        for order, (name, color, width, dash) in ORDERS.items():
            curve = _curve(faithfulness, order, ending)
            if curve is None:
                continue
            if dark:
                # Lines need more light on a dark page.
                color = {BLUE: CANDLES["lookback", True].up, INDIGO: "#9A8FF0"}.get(color, color)
            if order == "random":
                _draw_band(figure, getattr(faithfulness, f"random_{ending}s"), color, column)
            figure.add_scatter(
                x=curve.shares, y=curve.probabilities, mode="lines", name=name, legendgroup=order,
                showlegend=column == 1, line={"color": color, "width": width, "dash": dash},
                hovertemplate=f"{name}: %{{y:.1%}}<extra></extra>", row=1, col=column,
            )  # fmt: skip
    apply_layout(figure, title, height)
    figure.update_layout(
        showlegend=True, hovermode="x unified", margin={"t": 84},
        legend={"orientation": "h", "x": 0, "y": 1.13, "yanchor": "bottom", "traceorder": "reversed"},
    )  # fmt: skip
    figure.update_annotations(font_size=12)
    if reference is not None:
        for panel in (1, 2):
            figure.add_shape(
                type="line", x0=0, x1=1, y0=reference, y1=reference, opacity=0.6, row=1, col=panel,
                line={"color": ink(dark), "width": 1, "dash": "dashdot"},
            )  # fmt: skip
        figure.add_annotation(
            x=0.5, y=reference, xref="x", yref="y", showarrow=False, yanchor="bottom", font={"size": 11},
            text=f"reference {percent(reference)}",
        )  # fmt: skip
    unit = f"{faithfulness.unit}s"
    figure.update_xaxes(tickformat=".0%", range=[0, 1], title_standoff=4)
    figure.update_xaxes(title_text=f"{unit} as in the reference", row=1, col=1)
    figure.update_xaxes(title_text=f"{unit} shown as they were, the rest as in the reference", row=1, col=2)
    figure.update_yaxes(title_text=f"P({target})", tickformat=".0%", row=1, col=1)
    return figure


def _curve(faithfulness: Faithfulness, order: str, ending: str) -> Curve | None:
    if order == "random":
        return getattr(faithfulness, f"random_{ending}s").mean
    return getattr(faithfulness, ending if order == "attribution" else f"{order}_{ending}")


def _draw_band(figure: go.Figure, spread: Spread, color: str, column: int) -> None:
    low, high = spread.band
    count = len(spread.margins)
    figure.add_scatter(
        x=[*spread.shares, *spread.shares[::-1]], y=[*high, *low[::-1]], mode="lines", fill="toself",
        line={"width": 0}, fillcolor=color, opacity=0.25, name=f"all {count} random orders",
        legendgroup="band", showlegend=column == 1, hoverinfo="skip", row=1, col=column,
    )  # fmt: skip
