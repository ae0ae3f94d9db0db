"""Equity and drawdown, months, groups of trades, time drawn again, and trades on candles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.backtest.words import run_title
from app.figures.candles import candles_figure
from app.figures.reliability import finish
from app.figures.theme import BLUE, GREY, VERMILION, Palette, ink, time_labels
from core.data.bars import one_column
from core.trading.account import Trades
from core.trading.performance.slices import QUANTILES, Fan, Month, Slice
from core.trading.results import BacktestResult

_DASHES = ("dash", "dot", "dashdot", "longdash", "longdashdot")
_LOSS, _GAIN = VERMILION, BLUE
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MOST_POINTS = 1500
"""Of a line; more than a screen has pixels tell nothing."""


def equity_figure(found: BacktestResult, *, dark: bool, height: int = 470) -> go.Figure:
    """Equity of every account on a logarithmic axis above the strategy's drawdown, fold borders marked."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.05, row_heights=[0.72, 0.28])
    times = found.market.times
    kept = _thin(len(times))
    for i, run in enumerate(found.rivals):
        figure.add_scatter(
            x=times[kept], y=run.account.equity[kept], mode="lines", name=run_title(run),
            line={"color": GREY, "width": 1.1, "dash": _DASHES[i % len(_DASHES)]},
            hovertemplate="%{y:.3f}<extra>" + run_title(run) + "</extra>", row=1, col=1,
        )  # fmt: skip
    account = found.strategy.account
    figure.add_scatter(
        x=times[kept], y=account.equity[kept], mode="lines", name=run_title(found.strategy),
        line={"color": ink(dark), "width": 3}, hovertemplate="%{y:.3f}<extra>the model</extra>", row=1, col=1,
    )  # fmt: skip
    figure.add_scatter(
        x=times[kept], y=account.drawdown[kept], mode="lines", fill="tozeroy", showlegend=False,
        line={"color": _LOSS, "width": 1.2}, fillcolor="rgba(213,94,0,0.25)",
        hovertemplate="%{y:.1%} below its peak<extra></extra>", row=2, col=1,
    )  # fmt: skip
    for fold, (first, _) in sorted(found.market.spans.items()):
        figure.add_vline(x=times[first], line={"color": GREY, "width": 1, "dash": "dot"})
        figure.add_annotation(
            x=times[first], y=1, yref="paper", text=f"fold {fold}", showarrow=False, xanchor="left",
            yanchor="top", font={"size": 11}, xshift=3,
        )  # fmt: skip
    finish(
        figure, "What an account of 1 became, after costs, and how far below its peak it was", height, top=96
    )
    figure.update_yaxes(title_text="equity", type="log", row=1, col=1)
    figure.update_yaxes(title_text="drawdown", tickformat=".0%", row=2, col=1)
    figure.update_layout(hovermode="x unified")
    return figure


def _thin(count: int) -> np.ndarray:
    return np.unique(np.linspace(0, count - 1, min(count, MOST_POINTS)).astype(int))


def months_figure(months: Sequence[Month], *, dark: bool) -> go.Figure:
    """Return of every calendar month, years in rows; gains blue, losses orange, the number in each cell."""
    years = sorted({one.year for one in months})
    values, text = np.full((len(years), 12), np.nan), np.full((len(years), 12), "", dtype=object)
    for one in months:
        place = years.index(one.year), one.month - 1
        values[place], text[place] = one.value, f"{100 * one.value:+.1f}"
    reach = max(float(np.nanmax(np.abs(values), initial=0)), 1e-6)
    middle = "#1C2229" if dark else "#F3F5F7"
    figure = go.Figure(
        go.Heatmap(
            z=values, x=list(_MONTHS), y=[str(year) for year in years], text=text, texttemplate="%{text}",
            colorscale=[[0, _LOSS], [0.5, middle], [1, _GAIN]], zmin=-reach, zmax=reach, showscale=False,
            xgap=2, ygap=2, hovertemplate="%{x} %{y}: %{text}%<extra></extra>",
        )
    )  # fmt: skip
    finish(figure, "Return of each month, % (UTC)", max(160, 70 + 26 * len(years)), legend=False)
    figure.update_yaxes(autorange="reversed", type="category")
    return figure


def slices_figure(slices: Sequence[Slice], title: str, *, dark: bool) -> go.Figure:
    """Mean net return of a trade by group with its 95% interval, a line at nothing."""
    figure = go.Figure()
    value, low, high = (
        np.array([getattr(one.mean, end) for one in slices]) for end in ("value", "low", "high")
    )
    figure.add_scatter(
        x=value, y=[f"{one.name} (n = {one.trades:,})" for one in slices], mode="markers",
        marker={"size": 9, "color": ink(dark)},
        error_x={
            "type": "data", "symmetric": False, "array": np.nan_to_num(high - value),
            "arrayminus": np.nan_to_num(value - low), "thickness": 1.6, "width": 4,
        },
        hovertemplate="%{y}: %{x:.2%}<extra></extra>",
    )  # fmt: skip
    figure.add_vline(x=0, line={"color": GREY, "width": 1, "dash": "dot"})
    finish(figure, title, 110 + 26 * len(slices), legend=False)
    figure.update_xaxes(title_text="net return of a trade on average, 95% interval", tickformat=".2%")
    figure.update_yaxes(autorange="reversed", type="category")
    return figure


def fan_figure(fan: Fan, *, dark: bool, height: int = 320) -> go.Figure:
    """Quantiles of the equity with its time drawn again in blocks; the middle one thick."""
    figure = go.Figure()
    shades = ("rgba(128,128,128,0.16)", "rgba(128,128,128,0.30)")
    for low, high, shade in ((0, 4, shades[0]), (1, 3, shades[1])):
        label = f"{100 * (QUANTILES[high] - QUANTILES[low]):.0f}% of the draws"
        figure.add_scatter(
            x=np.r_[fan.times, fan.times[::-1]], y=np.r_[fan.equity[high], fan.equity[low][::-1]],
            fill="toself", fillcolor=shade, line={"width": 0}, hoverinfo="skip", name=label,
        )  # fmt: skip
    figure.add_scatter(
        x=fan.times, y=fan.equity[2], mode="lines", line={"color": ink(dark), "width": 2.5},
        name="the middle", hovertemplate="%{y:.3f}<extra>the middle</extra>",
    )  # fmt: skip
    finish(figure, "The same returns in another order of time, drawn in blocks", height)
    figure.update_yaxes(title_text="equity", type="log")
    return figure


def trades_figure(
    bars: pd.DataFrame, trades: Trades, times: np.ndarray, *, title: str, palette: Palette, dark: bool
) -> go.Figure:
    """Candles with each trade's way from its entry to its exit.

    Parameters
    ----------
    bars
        One instrument's, adjusted, as far as drawn.
    trades
        Of that instrument; those outside the bars are left out.
    times
        (T,) of the clock.
    """
    figure = candles_figure(bars, title=title, palette=palette, dark=dark, bands=(), height=460)
    opens = one_column(bars, "ts").dt.tz_localize(None).to_numpy("datetime64[us]")
    labels = time_labels(bars["ts"], str(bars["timeframe"].iloc[0]))
    for i in range(len(trades)):
        ends = times[[trades.entry[i], trades.exit[i]]].astype("datetime64[us]")
        first, last = np.searchsorted(opens, ends)
        if last >= len(opens) or first >= len(opens) or opens[first] != ends[0] or opens[last] != ends[1]:
            continue
        won = trades.net[i] > 0
        side = "long" if trades.side[i] > 0 else "short"
        figure.add_scatter(
            x=[labels[first], labels[last]], y=[trades.entry_price[i], trades.exit_price[i]],
            mode="lines+markers",
            line={"color": _GAIN if won else _LOSS, "width": 2, "dash": "solid" if won else "dash"},
            marker={"size": 9, "symbol": ["triangle-up" if trades.side[i] > 0 else "triangle-down", "x"]},
            hovertemplate=f"{side}: {100 * trades.net_return[i]:+.2f}%<extra></extra>", showlegend=False,
            row=1, col=1,
        )  # fmt: skip
    return figure
