"""What a backtest shows, in sentences and tables, without Streamlit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from app.words.challengers import NAMES
from app.words.confidence import STATED
from app.words.numbers import listed, percent, signed, true_minus, with_interval
from app.words.predictions import title_of
from core.review.disagreement import Disagreement
from core.scores.intervals import Interval
from core.trading.account import Trades
from core.trading.calls import MODEL
from core.trading.market import Market
from core.trading.performance.rivals import HOLDING, NOTHING, RANDOM, Run
from core.trading.performance.slices import Fan, Slice
from core.trading.performance.split import TradeSplit
from core.trading.performance.vetoes import VetoWorth
from core.trading.results import HAR_SIZES, BacktestResult, Target
from core.trading.stance import Thresholds
from core.trading.walk import REASONS


@dataclass(frozen=True)
class MeasureWords:
    """How one measure is called, whether it is a share, and what it is in a sentence."""

    label: str
    share: bool
    meaning: str


MEASURE_WORDS = {
    "sharpe": MeasureWords("Sharpe ratio", False, "Mean return over its deviation, a year (Sharpe 1994)."),
    "sortino": MeasureWords("Sortino ratio", False, "The same with the deviation of losses alone."),
    "calmar": MeasureWords("Calmar ratio", False, "Annual return over the deepest drawdown."),
    "max_drawdown": MeasureWords("Deepest drawdown", True, "Most lost since an earlier peak."),
    "annual_return": MeasureWords("Return a year", True, "Geometric, after costs."),
    "annual_volatility": MeasureWords("Volatility a year", True, "Deviation of the returns."),
    "win_rate": MeasureWords("Win rate", True, "Trades that earned after costs."),
    "profit_factor": MeasureWords("Profit factor", False, "All that was earned over all that was lost."),
    "payoff": MeasureWords("Payoff", False, "Mean gain over mean loss of a trade."),
    "exposure": MeasureWords("Exposure", True, "Mean value of all positions over the equity."),
    "turnover": MeasureWords("Turnover a year", False, "Value of all fills over the equity, a year."),
    "cost_share": MeasureWords("Cost share", True, "Costs over what the winning trades earned before them."),
}

VETO_WORDS = {
    "no_call": "no call, or Sideways",
    "probability": "probability below the threshold",
    "confidence": "not sure enough",
    "out_of_distribution": "unlike the training data",
    "both_directions": "the set holds both directions",
    "regime": "regime not traded",
    "volume": "bar without volume",
    "volatility": "volatility not known",
}
_VERDICTS = {"paid": "paid: it kept losses out", "cost": "cost: it kept gains out"}


def veto_title(name: str) -> str:
    """A reason to stay out as the page calls it."""
    return VETO_WORDS.get(name) or f"{STATED[name.removeprefix('rank_')].title} ranks too low"


def headline(found: BacktestResult) -> str:
    """Whether anything is shown at all; the page's first sentence, in Markdown."""
    trades = found.strategy.measures.trades
    if not trades:
        return f"**No trade was made: {_why_none(found)}.** Nothing can be said of acting on the calls."
    sharpe = found.strategy.measures.values["sharpe"]
    stated = f"a Sharpe ratio of {ratio(sharpe)} after costs over {trades:,} trades"
    missing = [_against(one.against) for one in found.shown if not (one.holds and one.difference.value > 0)]
    if not missing:
        return f"**Something is shown: {stated}, more than nothing, holding and random entries.**"
    return f"**Nothing is shown: {stated}, not shown to beat {_either(missing)}.**"


def _why_none(found: BacktestResult) -> str:
    if not any(one.trading for one in found.thresholds.values()):
        return "no threshold earned anything on the calibrate bars of any fold"
    worst = max(found.vetoes, key=lambda one: one.calls, default=None)
    if worst is None:
        return "no call passed the rules"
    kept = f"{worst.calls:,} of {len(found.calls):,} calls were kept out"
    return f"{kept} by “{veto_title(worst.name)}”, alone or with others"


def _against(name: str) -> str:
    return {NOTHING: "doing nothing", HOLDING: "holding", RANDOM: "random entries"}.get(name, name)


def _either(names: Sequence[str]) -> str:
    return listed(names).replace(" and ", " or ")


def scope_sentence(found: BacktestResult) -> str:
    """What was traded, when, by which rule, and how many settings have been looked at."""
    first, last = (str(found.market.times[i])[:10] for i in (0, -1))
    every = "every bar" if found.test_step == 1 else f"every {found.test_step}. bar"
    acted = int((found.stances.side != 0).sum())
    deflated = found.strategy.measures.deflated_sharpe
    scope = f"{_count(len(found.market.instruments), 'instrument')}, {found.timeframe} bars"
    text = f"{scope}, {first} to {last} (UTC), {_count(len(found.thresholds), 'fold')}, a call at {every}: "
    text += f"{acted:,} of {len(found.calls):,} calls acted on."
    looked = "setting or training was" if found.trials == 1 else "settings and trainings were"
    tried = f" {found.trials:,} {looked} looked at so far"
    if math.isfinite(deflated):
        tried += (
            f"; with all of them counted the Sharpe ratio is above zero with {percent(deflated)} probability"
        )
    return f"{text}{tried}."


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def ratio(found: Interval) -> str:
    """'0.31 [−0.40, 1.02]'."""
    return true_minus(with_interval(found.value, found.low, found.high, scale=1, digits=2))


def measure(name: str, found: Interval) -> str:
    """A measure with its interval, shares in percent."""
    if not MEASURE_WORDS[name].share:
        return ratio(found)
    text = true_minus(with_interval(found.value, found.low, found.high))
    return text if text == "–" else f"{text} %"


def target_words(target: Target) -> tuple[str, str, str]:
    """Label, value, and 'not met: asks for above 1.5' of one of the specification's targets."""
    words = MEASURE_WORDS[target.name]
    bound = percent(target.bound) if words.share else f"{target.bound:g}"
    side = "above" if target.above else "below"
    value = target.measured.value
    shown = (
        "–" if not math.isfinite(value) else percent(value, 1) if words.share else true_minus(f"{value:.2f}")
    )
    return words.label, shown, f"{target.verdict}: asks for {side} {bound}"


def run_title(run: Run) -> str:
    """An account as tables and legends call it."""
    if run.name in (MODEL, HOLDING, HAR_SIZES):
        return {MODEL: "the model's calls"}.get(run.name, run.name)
    return f"same rules on {NAMES.get(run.name, run.name.replace('_', ' '))}"


def measures_table(found: BacktestResult) -> pd.DataFrame:
    """Every account a row, every measure a column with its interval; the model first."""
    against = {one.against: one for one in found.comparisons}
    rows = []
    for run in (found.strategy, *found.rivals):
        row = {"account": run_title(run), "trades": f"{run.measures.trades:,}"}
        row |= {MEASURE_WORDS[name].label: measure(name, run.measures.values[name]) for name in MEASURE_WORDS}
        beside = against.get(run.name)
        row["model's Sharpe less this"] = (
            "" if beside is None else _difference(beside.difference, beside.holds)
        )
        rows.append(row)
    return pd.DataFrame(rows)


def _difference(found: Interval, holds: bool) -> str:
    return f"{ratio(found)}{', shown' if holds else ''}"


def random_sentence(found: BacktestResult) -> str:
    """Where the strategy stands among the same positions at random times."""
    known = found.random.sharpe[~pd.isna(found.random.sharpe)]
    mine = found.strategy.measures.values["sharpe"].value
    if not len(known) or not math.isfinite(mine) or not found.strategy.measures.trades:
        return "No entries at random times could be compared."
    below = int((known < mine).sum())
    return (
        f"Better than {below} of {len(known)} runs of the same positions at random times "
        f"(their median Sharpe ratio {true_minus(f'{sorted(known)[len(known) // 2]:.2f}')})."
    )


def costs_table(found: BacktestResult) -> pd.DataFrame:
    """The same trades at no, the stated, twice and four times the costs, side by side."""
    names = ("annual_return", "sharpe", "max_drawdown", "profit_factor")
    columns = {
        f"costs x{multiple:g}": [measure(name, run.measures.values[name]) for name in names]
        for multiple, run in found.costs.items()
    }
    return pd.DataFrame({"": [MEASURE_WORDS[name].label for name in names]} | columns).rename(
        columns={"": "measure"}
    )


def slices_table(slices: Sequence[Slice]) -> pd.DataFrame:
    """Trades of each kind: how many, what one earned on average and how often, with intervals."""
    return pd.DataFrame(
        {
            "trades of": [one.name for one in slices],
            "trades": [one.trades for one in slices],
            "earned on average, %": [
                true_minus(with_interval(one.mean.value, one.mean.low, one.mean.high, digits=2))
                for one in slices
            ],
            "earned after costs, % of them": [
                with_interval(one.won.value, one.won.low, one.won.high) for one in slices
            ],
            "in all, % of the start": [signed(100 * one.total, ".1f") for one in slices],
        }
    )


def vetoes_table(vetoes: Sequence[VetoWorth]) -> pd.DataFrame:
    """What each doubt kept out, and what that would have earned."""
    held = [one for one in vetoes if one.calls]
    return pd.DataFrame(
        {
            "reason to stay out": [veto_title(one.name) for one in held],
            "calls": [one.calls for one in held],
            "by it alone": [one.alone for one in held],
            "those would have earned, % on average": [
                true_minus(with_interval(one.mean.value, one.mean.low, one.mean.high, digits=2))
                for one in held
            ],
            "of them earned": [percent(one.won) if math.isfinite(one.won) else "–" for one in held],
            "verdict": [_VERDICTS.get(one.verdict, one.verdict) for one in held],
        }
    )


def vetoes_sentence(vetoes: Sequence[VetoWorth]) -> str:
    """Which doubts paid and which cost; none where none is shown to."""
    parts = []
    for verdict, verb in (("paid", "paid"), ("cost", "cost money")):
        names = [f"“{veto_title(one.name)}”" for one in vetoes if one.verdict == verdict]
        if names:
            parts.append(f"{listed(names)} {verb}")
    return f"{'; '.join(parts)}." if parts else "Of no doubt it is shown that it paid or cost."


def fan_sentence(fan: Fan) -> str:
    """What else could have come of the same returns."""
    if not fan.draws:
        return "Too little time to draw it again in blocks."
    return (
        f"{fan.draws:,} draws of the same returns in blocks of {fan.block} bars: "
        f"{percent(fan.loss)} end below the start; one in twenty falls by {percent(fan.depth[-1])} or more."
    )


def thresholds_table(thresholds: Sequence[Thresholds]) -> pd.DataFrame:
    """What each fold's calibrate bars chose."""
    return pd.DataFrame(
        {
            "fold": [one.fold for one in thresholds],
            "probability at least": [_threshold(one.probability) for one in thresholds],
            "sure at least": [_threshold(one.confidence) for one in thresholds],
            "calibrate trades": [one.trades for one in thresholds],
            "their Sharpe ratio": [
                true_minus(f"{one.utility:.2f}") if math.isfinite(one.utility) else "–" for one in thresholds
            ],
        }
    )


def _threshold(value: float) -> str:
    return percent(value, 1) if math.isfinite(value) else "nothing paid: no trade"


def split_sentence(split: TradeSplit) -> str:
    """How many trades a simpler model would have made too, and what they and the others earned."""
    name = NAMES.get(split.challenger, split.challenger)
    said = f"{name} called the same at {int(split.alike.sum()):,} of {len(split.alike):,} trades"
    parts = [
        f"{who} earned {true_minus(with_interval(mean.value, mean.low, mean.high, digits=2))}% each"
        for who, mean in (("those", split.both), ("the others, the model's alone,", split.alone))
        if math.isfinite(mean.value)
    ]
    return f"{said}: {'; '.join(parts)}."


def trades_table(
    trades: Trades,
    market: Market,
    timeframe: str,
    calls: Sequence[str],
    splits: Sequence[TradeSplit] = (),
) -> pd.DataFrame:
    """One row a trade, newest first, with links to the bar of its call on Live and Attribution.

    Parameters
    ----------
    calls
        Open of the bar of each trade's call, as links name it.
    splits
        What simpler models said of the traded side, a column each.
    """
    names = [market.instruments[place] for place in trades.instrument]
    opened, closed = (market.times[steps].astype("datetime64[s]") for steps in (trades.entry, trades.exit))
    links = [
        f"?instrument={name}&timeframe={timeframe}&bar={bar}" for name, bar in zip(names, calls, strict=True)
    ]
    table = pd.DataFrame(
        {
            "instrument": names,
            "side": ["▲ long" if side > 0 else "▼ short" for side in trades.side],
            "opened": opened,
            "closed": closed,
            "at": trades.entry_price,
            "out at": trades.exit_price,
            "size, %": 100 * trades.value,
            "earned, %": 100 * trades.net_return,
            **({"model said, %": 100 * splits[0].model} if splits else {}),
            **{f"{NAMES.get(one.challenger, one.challenger)} said, %": 100 * one.theirs for one in splits},
            "closed by": [REASONS[reason] for reason in trades.reason],
            "live": [f"/{link}" for link in links],
            "why": [f"/attribution{link}" for link in links],
        }
    )
    return table.iloc[::-1].reset_index(drop=True)


def challenger_table(records: Sequence[Disagreement]) -> pd.DataFrame:
    """Where the model and a challenger called differently on the walk-forward's test bars."""
    return pd.DataFrame(
        {
            "task": [title_of(one.task) for one in records],
            "challenger": [NAMES.get(one.challenger, one.challenger) for one in records],
            "called differently": [f"{one.calls.rows:,} of {one.whole.rows:,}" for one in records],
            "model's log-loss there": [_nats(one.calls.model) for one in records],
            "challenger's": [_nats(one.calls.challenger) for one in records],
            "model less challenger": [
                true_minus(
                    with_interval(
                        one.calls.difference.value, one.calls.difference.low, one.calls.difference.high, 1, 4
                    )
                )
                for one in records
            ],
        }
    )


def _nats(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "–"
