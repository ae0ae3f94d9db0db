"""The parts of the Backtest page."""

from __future__ import annotations

import numpy as np
import streamlit as st

from app.backtest import cached as backtest_cached
from app.backtest import words
from app.figures.backtest import equity_figure, fan_figure, months_figure, slices_figure, trades_figure
from app.shell import cached, controls
from app.shell.choosers import draw_chart, offer_csv
from app.shell.selection import bar_time, open_name
from app.shell.view import keep_known
from core.trading.performance.slices import KINDS
from core.trading.results import BacktestResult

SHOWN_TRADES = 2000
"""Rows of the table; the download holds all."""
BARS_AROUND = 90


def draw_answer(found: BacktestResult) -> None:
    """Whether anything is shown, the specification's targets, and the equity beside its rivals."""
    st.markdown(f"#### {words.headline(found)}")
    st.caption(words.scope_sentence(found))
    for column, target in zip(st.columns(len(found.targets)), found.targets, strict=True):
        label, value, verdict = words.target_words(target)
        column.metric(label, value, verdict, delta_color="off", delta_arrow="off", border=True)
    draw_chart(equity_figure(found, dark=controls.is_dark()), "equity")
    st.caption(words.random_sentence(found))
    table = words.measures_table(found)
    st.dataframe(
        table, hide_index=True, height="content", alt="Measures of every account",
        column_config={
            one.label: st.column_config.TextColumn(help=one.meaning) for one in words.MEASURE_WORDS.values()
        },
    )  # fmt: skip
    st.caption(
        "Brackets: 95% by time drawn again in blocks; blank where too little is left. “Shown” counts all "
        "comparisons made here (Holm 1979)."
    )
    offer_csv(table, "backtest_measures")


def draw_trades(model: cached.ModelKey, found: BacktestResult) -> None:
    """Trades of one instrument on its candles, and all of them in a table with links to their bars."""
    account, market = found.strategy.account, found.market
    if not len(account.trades):
        return
    st.markdown(
        "**Every trade, on the candles**", help="From the open it was entered at to where it was closed."
    )
    counts = np.bincount(account.trades.instrument, minlength=len(market.instruments))
    names = [name for name, count in zip(market.instruments, counts, strict=True) if count]
    keep_known(st.session_state, "backtest_instrument", names, names[0])
    name = st.selectbox("Instrument", names, key="backtest_instrument", persist_state="session", width=240)
    controls.write_url()
    mine = account.trades.take(account.trades.instrument == market.instruments.index(name))
    place = st.slider(
        "Trade in the middle", 1, len(mine), len(mine), key=f"backtest_trade_{found.key}_{name}",
        help="Trades stand in the order in which they were closed",
    ) if len(mine) > 1 else 1  # fmt: skip
    middle = int(mine.entry[place - 1])
    first, last = (
        bar_time(str(market.times[int(np.clip(middle + step, 0, len(market) - 1))]))
        for step in (-BARS_AROUND, BARS_AROUND)
    )
    bars = backtest_cached.bars_of(name, found.timeframe, first, last)
    figure = trades_figure(
        bars, mine, market.times, title=f"{name} {found.timeframe}, adjusted prices: ▲ long, ▼ short, ✕ out",
        palette=controls.palette(), dark=controls.is_dark(),
    )  # fmt: skip
    draw_chart(figure, "trades")
    opens = [open_name(one) for one in found.calls.times[account.trades.call]]
    splits = backtest_cached.splits(model, found)
    for split in splits:
        st.caption(words.split_sentence(split))
    table = words.trades_table(account.trades, market, found.timeframe, opens, splits)
    said = st.column_config.NumberColumn(format="%.1f", help="probability of the traded side at its bar")
    st.dataframe(
        table.head(SHOWN_TRADES), hide_index=True, height=320, alt="Every trade",
        column_config={
            "live": st.column_config.LinkColumn("its bar", display_text="Live"),
            "why": st.column_config.LinkColumn("why", display_text="Attribution"),
            "opened": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm", help="UTC"),
            "closed": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm", help="UTC"),
            "at": st.column_config.NumberColumn(format="%.4f", help="adjusted"),
            "out at": st.column_config.NumberColumn(format="%.4f", help="adjusted"),
            "size, %": st.column_config.NumberColumn(format="%.1f", help="of the equity"),
            "earned, %": st.column_config.NumberColumn(format="%+.2f", help="of its value, after costs"),
            **{name: said for name in table.columns if name.endswith("said, %")},
        },
    )  # fmt: skip
    offer_csv(table, "backtest_trades")


def draw_doubts(found: BacktestResult) -> None:
    """Which doubt kept which calls out, and whether that paid."""
    st.markdown(
        f"**Did the doubts pay?** {words.vetoes_sentence(found.vetoes)}",
        help="Of the calls that one reason alone kept out: what each would have earned by itself after "
        "costs. A doubt paid where that is below zero and holds with all doubts counted (Holm 1979).",
    )
    table = words.vetoes_table(found.vetoes)
    st.dataframe(table, hide_index=True, height="content", alt="What each doubt kept out")
    offer_csv(table, "backtest_doubts")


def draw_parts(found: BacktestResult) -> None:
    """Months, costs, groups of trades, time drawn again, and thresholds."""
    dark = controls.is_dark()
    left, right = st.columns(2, gap="medium")
    with left:
        draw_chart(months_figure(found.months, dark=dark), "months")
    with right:
        st.markdown("**The same trades at other costs**")
        st.dataframe(words.costs_table(found), hide_index=True, height="content", alt="Costs side by side")
        if found.fan.draws:
            draw_chart(fan_figure(found.fan, dark=dark), "fan")
        st.caption(words.fan_sentence(found.fan))
    kinds = [kind for kind in KINDS if any(one.kind == kind for one in found.slices)]
    if kinds:
        keep_known(st.session_state, "backtest_slices", kinds, kinds[0])
        kind = st.segmented_control(
            "Trades by", kinds, key="backtest_slices", required=True, persist_state="session"
        ) or kinds[0]  # fmt: skip
        controls.write_url()
        shown = [one for one in found.slices if one.kind == kind]
        left, right = st.columns(2, gap="medium", vertical_alignment="center")
        with left:
            draw_chart(slices_figure(shown, f"What a trade earned, by {kind}", dark=dark), "slices")
        with right:
            table = words.slices_table(shown)
            st.dataframe(table, hide_index=True, height="content", alt=f"Trades by {kind}")
            offer_csv(table, f"backtest_{kind}")
    st.markdown(
        "**Thresholds, chosen on each fold's calibrate bars**",
        help="The pair of thresholds whose trades earned the highest Sharpe ratio there, after costs.",
    )
    st.dataframe(
        words.thresholds_table(list(found.thresholds.values())), hide_index=True, height="content",
        alt="Thresholds by fold",
    )  # fmt: skip


def draw_challengers(model: cached.ModelKey) -> None:
    """Could a simpler model have said this: the rows on which they called differently."""
    records = backtest_cached.disagreements(model)
    if not records:
        return
    st.markdown(
        "**Could a simpler model have made these calls?**",
        help="On the walk-forward's test bars where the two called differently: mean log-loss of each, in "
        "nats, and the difference with its 95% interval; below zero the model was nearer.",
    )
    table = words.challenger_table(records)
    st.dataframe(table, hide_index=True, height="content", alt="Where the model and simpler ones disagreed")
    offer_csv(table, "backtest_challengers")
