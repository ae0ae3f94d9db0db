"""What the command that trades a model's past calls does: parsed options in, plain values out.

Modules are imported inside, so that ``--help`` and a listing do not wait for torch.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from core.cli.command import AddCommand, parse_time, show_progress
from core.cli.output import table

_PERCENT = ("max_drawdown", "win_rate", "annual_return", "exposure", "cost_share")
_COLUMNS = {
    "annual_return": "return a year",
    "sharpe": "Sharpe",
    "sortino": "Sortino",
    "calmar": "Calmar",
    "max_drawdown": "max drawdown",
    "win_rate": "win rate",
    "profit_factor": "profit factor",
    "payoff": "payoff",
    "exposure": "exposure",
    "turnover": "turnover a year",
    "cost_share": "cost share",
}
_TITLES = {
    "sharpe": "Sharpe ratio",
    "max_drawdown": "maximum drawdown",
    "win_rate": "win rate",
    "profit_factor": "profit factor",
}


def add_commands(command: AddCommand) -> None:
    """Add this file's command and its arguments."""
    added = command(
        "backtest",
        backtest,
        show_backtest,
        "Trade a model's walk-forward calls by the rules of assets/trading.yaml, after costs, beside what "
        "must be beaten; goes on after a kill.",
    )
    added.add_argument("--model", metavar="NAME")
    added.add_argument("--timeframe", help="default: the one with most calls")
    added.add_argument("--from", dest="start", metavar="TIME", help="first bar that is traded")
    added.add_argument("--to", dest="end", metavar="TIME", help="last bar that is traded")
    added.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="exits.stop=2.0")
    added.add_argument("--rules", type=Path, help="YAML; default assets/trading.yaml")


def backtest(options: argparse.Namespace) -> dict[str, Any]:
    """Trade a model's past calls."""
    from core.bundle import find_model, load_bundle
    from core.data.store import BarStore
    from core.trading.backtest import backtest_model
    from core.trading.rules import load_rules

    rules = load_rules(options.rules, options.set)
    store = BarStore()
    folder = find_model(store.home, options.model)
    result = backtest_model(
        store,
        load_bundle(folder),
        folder,
        rules,
        timeframe=options.timeframe,
        start=None if options.start is None else parse_time(options.start),
        end=None if options.end is None else parse_time(options.end),
        progress=show_progress("backtest"),
    )
    return result.to_dict()


def show_backtest(result: dict[str, Any]) -> str:
    """Whether anything is shown, the table of rivals, the targets, and what each doubt was worth."""
    rows = [_row(name, measures) for name, measures in result["measures"].items()]
    model, acted = result["measures"]["model"], f"{result['acted']:,} of {result['calls']:,} calls acted on"
    lines = [
        _shown_sentence(result),
        "",
        f"{result['model']} {result['timeframe']}, {len(result['instruments'])} instruments, "
        f"{result['from'][:10]} to {result['to'][:10]}: {acted}, {model['trades']:,} trades. "
        f"{_step_sentence(result['test_step'])}",
        "",
        table(rows, "no rows"),
        "",
        *(_comparison_line(one) for one in result["comparisons"]),
        "",
        *(_target_line(one) for one in result["targets"]),
        "",
        _drawdown_sentence(model["drawdown"]),
        f"Probability that the true Sharpe ratio is positive, counting {result['trials']:,} trainings and "
        f"settings looked at (deflated Sharpe): {_number(model['deflated_sharpe'])}.",
        "",
        table([_cost_row(name, one) for name, one in result["costs"].items()], "no rows"),
        "",
        table([_veto_row(one) for one in result["vetoes"]], "no rows"),
    ]
    return "\n".join(lines)


def _shown_sentence(result: dict[str, Any]) -> str:
    """What comes first: a claim only where all three comparisons hold."""
    measured = result["measures"]["model"]
    if not measured["trades"]:
        open_to_some = any(one["trading"] for one in result["thresholds"])
        why = "No call passed every rule" if open_to_some else "In no fold did any pair of thresholds pay"
        return f"Nothing is shown: no trade was made. {why}."
    decisive = [one for one in result["comparisons"] if one["against"] in _DECISIVE]
    sharpe = _with_interval(measured["sharpe"])
    if result["anything_shown"]:
        return (
            f"Shown: a Sharpe ratio of {sharpe} after costs, above zero, above buying and holding and above "
            "random entries of the same exposure, the comparisons counted together."
        )
    missing = [_DECISIVE[one["against"]] for one in decisive if not one["holds"] or _value(one) <= 0]
    return (
        f"Nothing is shown: the Sharpe ratio after costs is {sharpe}, which is not shown to be above "
        f"{', nor above '.join(missing)}."
    )


_DECISIVE = {
    "nothing": "zero",
    "buy and hold": "buying and holding",
    "random entries": "random entries of the same exposure",
}


def _value(comparison: dict[str, Any]) -> float:
    value = comparison["difference"]["value"]
    return 0.0 if value is None else value


def _step_sentence(step: int) -> str:
    return (
        "Every bar has a call."
        if step == 1
        else f"Every {step}th bar has a call; in between positions go on."
    )


def _row(name: str, measures: dict[str, Any]) -> dict[str, Any]:
    shown = {
        title: _with_interval(measures[measure], 100 if measure in _PERCENT else 1)
        for measure, title in _COLUMNS.items()
    }
    return {"who": name, "trades": measures["trades"], **shown}


def _comparison_line(one: dict[str, Any]) -> str:
    against = _DECISIVE.get(one["against"], one["against"])
    said = "no difference shown"
    if one["holds"]:
        said = "better" if _value(one) > 0 else "worse"
    return f"Sharpe ratio less that of {against}: {_with_interval(one['difference'])}: {said}."


def _target_line(one: dict[str, Any]) -> str:
    scale, unit = (100, "%") if one["name"] in _PERCENT else (1, "")
    bound = f"{'above' if one['above'] else 'below'} {scale * one['bound']:g}{unit}"
    measured = _with_interval(one["measured"], scale)
    return f"Target {_TITLES[one['name']]} {bound}: {measured}{unit}, {one['verdict']}."


def _drawdown_sentence(fall: dict[str, Any]) -> str:
    if fall["trough"] is None:
        return "The equity never fell."
    since = "the start" if fall["peak"] is None else fall["peak"][:10]
    again = "not recovered" if fall["recovered"] is None else f"recovered by {fall['recovered'][:10]}"
    return f"Deepest drawdown {100 * fall['depth']:.1f}%, from {since} to {fall['trough'][:10]}, {again}."


def _cost_row(multiple: str, measures: dict[str, Any]) -> dict[str, Any]:
    return {
        "costs": f"x{multiple}",
        "return a year %": _with_interval(measures["annual_return"], 100),
        "Sharpe": _with_interval(measures["sharpe"]),
        "trades": measures["trades"],
    }


def _veto_row(one: dict[str, Any]) -> dict[str, Any]:
    return {
        "kept out by": one["name"].replace("_", " "),
        "calls": one["calls"],
        "by it alone": one["alone"],
        "would have earned a trade %": _with_interval(one["mean"], 100, 3),
        "the doubt": {"paid": "paid", "cost": "cost money"}.get(one["verdict"], "not shown"),
    }


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _with_interval(found: dict[str, Any], scale: float = 1, places: int = 2) -> str:
    if found["value"] is None:
        return "-"
    value = f"{scale * found['value']:.{places}f}"
    if found["low"] is None or found["high"] is None:
        return value
    return f"{value} [{scale * found['low']:.{places}f}, {scale * found['high']:.{places}f}]"
