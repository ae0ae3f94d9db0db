"""Prediction sets through time: how often they held what happened, and how many classes they took."""

from __future__ import annotations

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.figures.stated import finish, mark_folds
from app.figures.theme import GREY, ink
from core.review.sets import FOLLOWED, SetsThroughTime


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
