"""Attribution figures: one time axis, a symmetric labelled scale, colours that mean what the page says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest

from app.figures.attribution import arrange_map, attribution_figure, attribution_scale, depth_figure
from app.figures.faithfulness import faithfulness_figure
from app.figures.importance import ImportanceView, importance_figure
from app.figures.theme import BLUE, VERMILION
from core.explain.attribution import Attribution
from core.explain.faithfulness import Curve, Faithfulness, Spread
from core.explain.methods.conductance import Conductance
from tests.conftest import random_walk

NAMES = ("return_1", "rsi_14", "volume_surprise", "mfi_14", "sentiment")
GROUPS = ("price", "price", "volume", "volume", "user")
BARS = 30


@pytest.fixture
def attribution() -> Attribution:
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(BARS, 5)) * [1, 2, 5, 0.1, 0.5]).astype(np.float32)
    return Attribution(
        values,
        "ig",
        "direction",
        "Bullish",
        "window_mean",
        0.4,
        0.1,
        0.52,
        None,
        1,
        0.001,
        16,
        0.1,
        NAMES,
        GROUPS,
        "cell",
    )


@pytest.fixture
def bars():
    return random_walk("AAA", BARS, 0)


def traces(figure: go.Figure, kind: str) -> list:
    return [trace for trace in figure.data if trace.type == kind]


def test_rows_are_sorted_by_weight_inside_groups_sorted_by_weight(attribution: Attribution) -> None:
    drawn = arrange_map(attribution)
    assert drawn.groups == ("volume", "volume", "price", "price", "user")
    assert drawn.labels[0].startswith("volume against usual")
    assert drawn.labels[2].startswith("RSI")
    order = [2, 3, 1, 0, 4]
    np.testing.assert_allclose(drawn.values, attribution.values.T[order])
    np.testing.assert_allclose(drawn.by_row, attribution.values.sum(0)[order], rtol=1e-5)
    np.testing.assert_allclose(drawn.by_bar, attribution.values.sum(1), rtol=1e-5)


def test_sources_and_blocks_keep_every_sum(attribution: Attribution) -> None:
    drawn = arrange_map(attribution, rows="source", block=4)
    assert drawn.groups == ("volume", "price", "user")
    assert drawn.by_row.sum() == pytest.approx(attribution.values.sum(), rel=1e-5)
    # Blocks are counted back from the newest bar: the oldest holds the two bars left over.
    newest = attribution.values[-4:, 2:4].sum()
    assert drawn.values[0, -4:] == pytest.approx([newest] * 4, rel=1e-5)
    assert drawn.by_bar[0] == pytest.approx(attribution.values[:2].sum(), rel=1e-4)
    assert drawn.numbers is None


def test_numbers_are_what_a_person_reads(attribution: Attribution) -> None:
    market = np.full((BARS, 5), np.log(2.0))
    drawn = arrange_map(attribution, market=market)
    assert drawn.numbers is not None
    assert drawn.numbers[0] == pytest.approx(2.0)
    assert drawn.numbers[2] == pytest.approx(np.log(2.0))


def test_candles_map_and_sum_stand_on_one_axis_of_bars(attribution: Attribution, bars) -> None:
    figure = attribution_figure(bars, attribution, title="Why", shown=10)
    (candles,), (heat,) = traces(figure, "candlestick"), traces(figure, "heatmap")
    by_row, by_bar = traces(figure, "bar")
    assert list(candles.x) == list(heat.x) == list(by_bar.x)
    axes = [figure.layout[f"xaxis{trace.xaxis.removeprefix('x')}"] for trace in (candles, heat, by_bar)]
    # Zooming one zooms all.
    assert axes[0].matches == axes[1].matches == by_bar.xaxis
    assert {tuple(axis.range) for axis in axes} == {(BARS - 10 - 0.5, BARS - 0.5)}
    assert {axis.type for axis in axes} == {"category"}
    domains = [axis.domain for axis in axes]
    assert domains[0] == domains[1] == domains[2]
    # Sums by row share the map's rows.
    assert list(by_row.y) == list(heat.y)
    rows = figure.layout[f"yaxis{by_row.yaxis.removeprefix('y')}"]
    assert rows.matches == heat.yaxis
    assert tuple(rows.range) == (4.5, -0.5)
    np.testing.assert_allclose(by_bar.y, attribution.values.sum(1), rtol=1e-5)


@pytest.mark.parametrize("dark", [False, True])
def test_the_scale_is_symmetric_and_labelled_and_nothing_has_no_colour(attribution, bars, dark) -> None:
    (heat,) = traces(attribution_figure(bars, attribution, title="Why", dark=dark), "heatmap")
    assert heat.zmin == -heat.zmax < 0
    assert heat.z.dtype == np.float32
    stops = {stop: color for stop, color in attribution_scale(dark)}
    assert stops[0.5] == ("#12161B" if dark else "#FFFFFF")
    assert [stops[0.2], stops[0.8]] == [VERMILION, BLUE]
    assert list(heat.colorbar.tickvals) == pytest.approx([-heat.zmax, 0, heat.zmax])
    assert "against" in heat.colorbar.title.text
    assert "towards" in heat.colorbar.title.text
    assert "log-odds" in heat.colorbar.title.text


def test_the_ends_of_the_scale_say_where_cells_lie_beyond_it(attribution, bars) -> None:
    (heat,) = traces(attribution_figure(bars, attribution, title="Why"), "heatmap")
    assert np.abs(attribution.values).max() > heat.zmax
    assert [heat.colorbar.ticktext[0][0], heat.colorbar.ticktext[2][0]] == ["≤", "≥"]
    even = replace(attribution, values=np.ones_like(attribution.values))
    (heat,) = traces(attribution_figure(bars, even, title="Why"), "heatmap")
    assert list(heat.colorbar.ticktext) == ["−1", "0", "+1"]


def test_sums_have_the_colour_of_their_sign(attribution: Attribution, bars) -> None:
    for trace in traces(attribution_figure(bars, attribution, title="Why"), "bar"):
        sums = np.asarray(trace.x if trace.orientation == "h" else trace.y)
        assert list(trace.marker.color) == [BLUE if value >= 0 else VERMILION for value in sums]


def test_causes_are_outlined_and_numbered_on_the_map(attribution: Attribution, bars) -> None:
    marks = [(("rsi_14",), 20, 29), ((), 5, 9)]
    figure = attribution_figure(bars, attribution, title="Why", marks=marks)
    boxes = [shape for shape in figure.layout.shapes if shape.type == "rect"]
    assert [(b.x0, b.x1, b.y0, b.y1) for b in boxes] == [(19.5, 29.5, 1.5, 2.5), (4.5, 9.5, -0.5, 4.5)]
    assert [a.text for a in figure.layout.annotations if "<b>" in a.text] == ["<b>1</b>", "<b>2</b>"]
    grouped = attribution_figure(bars, attribution, title="Why", marks=marks, rows="source")
    assert not [shape for shape in grouped.layout.shapes if shape.type == "rect"]


def test_bars_of_another_length_are_refused(attribution: Attribution, bars) -> None:
    with pytest.raises(ValueError, match="30 bars were explained, 29"):
        attribution_figure(bars.iloc[1:], attribution, title="Why")


def test_every_order_of_removal_is_drawn_and_the_explanation_is_thickest() -> None:
    def curve(end: float) -> Curve:
        return Curve(np.linspace(0, 1, 5), np.linspace(1, end, 5))

    def spread(*ends: float) -> Spread:
        return Spread(np.linspace(0, 1, 5), np.stack([np.linspace(1, end, 5) for end in ends]))

    curves = [curve(-2.0), curve(2.0)]
    chance = spread(0.0, 0.4, 0.2), spread(0.5, 0.3, 0.1)
    both = Faithfulness(*curves, *chance, curve(-1.0), curve(1.0), "cell")
    figure = faithfulness_figure(both, target="Bullish", title="Does it?")
    # Three lines and the band of the random orders in each panel.
    assert len(figure.data) == 8
    widths = {trace.name: trace.line.width for trace in figure.data}
    assert max(widths, key=lambda name: widths[name]) == "by this explanation"
    mine = next(t for t in figure.data if t.name == "by this explanation")
    np.testing.assert_allclose(mine.y, 1 / (1 + np.exp(-curves[0].margins)))
    assert {trace.line.dash for trace in figure.data if not trace.fill} == {"solid", "dot", "dash"}
    alone = Faithfulness(*curves, *chance, None, None, "bar")
    figure = faithfulness_figure(alone, target="Bullish", title="Does it?", dark=True)
    assert len(figure.data) == 6
    assert "bars as in the reference" in figure.layout.xaxis.title.text


def test_what_the_model_says_of_the_reference_is_a_line_on_both_curves() -> None:
    shares = np.linspace(0, 1, 3)
    down, up = Curve(shares, np.linspace(1, -1, 3)), Curve(shares, np.linspace(-1, 1, 3))
    chance = Spread(shares, np.zeros((2, 3)))
    found = Faithfulness(down, up, chance, chance, None, None, "cell")
    figure = faithfulness_figure(found, target="High", title="t", reference=0.31)
    lines = [shape for shape in figure.layout.shapes if shape.type == "line"]
    assert [(line.y0, line.y1, line.yref) for line in lines] == [(0.31, 0.31, "y"), (0.31, 0.31, "y2")]
    assert "reference 31%" in [note.text for note in figure.layout.annotations]
    assert not faithfulness_figure(found, target="High", title="t").layout.shapes


def test_names_apart_stand_below_the_others_whatever_their_share() -> None:
    first = {"a": (0.2, 0.1, 0.4), "b": (0.5, 0.4, 0.6), "day": (0.9, 0.8, 1.0)}
    labels = {"a": "Alpha", "b": "Beta", "day": "Day"}
    views = [ImportanceView("attribution", "share", first)]
    figure = importance_figure(views, labels, title="t", apart=["day"])
    assert list(figure.layout.yaxis.categoryarray) == ["Day", "Alpha", "Beta"]
    assert [(line.y0, line.xref) for line in figure.layout.shapes] == [(0.5, "paper")]


def test_the_calendar_is_the_last_group_of_the_map(attribution: Attribution) -> None:
    names = ("return_1", "rsi_14", "day_of_week_cos", "mfi_14", "sentiment")
    found = replace(attribution, feature_names=names, groups=("price", "price", "calendar", "volume", "user"))
    assert arrange_map(found).groups == ("price", "price", "user", "volume", "calendar")


def test_importance_is_ordered_by_its_first_view_with_whiskers_where_they_were_measured() -> None:
    first = {"a": (0.2, 0.1, 0.4), "b": (0.5, 0.4, 0.6), "c": (0.3, 0.2, 0.35)}
    views = [
        ImportanceView("attribution", "share", first, line=0.01),
        ImportanceView("gate", "share", {name: (v, v, v) for name, (v, _, _) in first.items()}),
    ]
    figure = importance_figure(views, {"a": "Alpha", "b": "Beta"}, title="What counts")
    bars = traces(figure, "bar")
    assert [list(trace.y) for trace in bars] == [["Alpha", "Beta"]] * 2
    assert list(figure.layout.yaxis.categoryarray) == ["Alpha", "Beta"]
    np.testing.assert_allclose(bars[0].error_x.array, [0.2, 0.1])
    np.testing.assert_allclose(bars[0].error_x.arrayminus, [0.1, 0.1])
    assert bars[1].error_x.array is None
    assert [(s.x0, s.xref) for s in figure.layout.shapes] == [(0.01, "x")]


def test_depth_says_how_much_has_reached_the_last_bar(bars) -> None:
    values = np.zeros((3, BARS))
    values[0, 5], values[1, 10], values[2, -1] = 0.5, 0.5, 0.5
    found = Conductance(values, "direction", "Bullish", 0.0, 0.5, np.zeros(3), 32)
    figure = depth_figure(found, bars["ts"].to_numpy(), "1d", title="How deep", shown=12)
    assert list(figure.data[0].y) == ["as it comes in", "after layer 1", "after layer 2"]
    assert [a.text for a in figure.layout.annotations] == [
        "last bar +0.00<br>of +0.50", "last bar +0.00<br>of +0.50", "last bar +0.50<br>of +0.50",
    ]  # fmt: skip
    assert tuple(figure.layout.xaxis.range) == (BARS - 12.5, BARS - 0.5)
    assert figure.data[0].zmin == -figure.data[0].zmax
