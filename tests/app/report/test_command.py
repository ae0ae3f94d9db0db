"""The report: complete, honest about what was not measured, and closed to the network."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlsplit

import pandas as pd
import pytest

from app.report.command import build_body, build_report, main, report_name
from app.report.html import fill, inline
from app.report.material import gather_material, permalink
from app.report.review import review_model
from app.shell.selection import Selection, parse_params
from core.bundle import save_bundle
from core.data.store import BarStore
from core.explain.evidence.store import evidence_folder, evidence_path
from core.explain.explanation import Question
from core.explain.methods.settings import Settings
from core.explain.moment import Moment
from core.explain.similar.index import build_index, save_index
from core.predictor import Predictor
from core.progress import Stopped
from tests.core.review.synthetic_review import write_synthetic

AT = pd.Timestamp("2009-06-05", tz="UTC")
QUESTION = Question("direction", "Bearish", "ig", "window_mean", Settings(seed=3))


class Loader(HTMLParser):
    """What a browser would fetch, where links lead, and what can be read."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.scripts = 0
        self.ids: list[str] = []
        self._inside: str | None = None
        self.text = ""

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag == "a":
            self.links.append(found.get("href") or "")
        else:
            self.fetched += [found[name] for name in ("src", "href", "srcset", "data") if found.get(name)]
        self.scripts += tag == "script"
        if found.get("id"):
            self.ids.append(found["id"])
        self._inside = tag

    def handle_endtag(self, tag):
        self._inside = None

    def handle_data(self, data):
        if self._inside not in ("script", "style"):
            self.text += data + " "


def read(page: str) -> Loader:
    loader = Loader()
    loader.feed(page)
    return loader


@pytest.fixture(scope="module")
def moment(walks, walk_bundle, tmp_path_factory):
    store = BarStore(tmp_path_factory.mktemp("reported"))
    for bars in walks.values():
        store.upsert(bars)
    return Moment.at(Predictor(walk_bundle, store), "AAA", "1d", AT)


@pytest.fixture(scope="module")
def material(moment):
    return gather_material(moment, QUESTION, address="http://desk:8501/")


@pytest.fixture(scope="module")
def page(material):
    return build_report(material)


@pytest.fixture(scope="module")
def indexed(moment):
    """The same with an index of similar moments."""
    path = evidence_path(evidence_folder(moment.predictor.store.home, moment.bundle), "moments")
    save_index(build_index(moment.predictor, step=10), path, moment.bundle)
    found = gather_material(moment, QUESTION)
    path.unlink()
    return found


def test_nothing_is_fetched_and_the_one_link_is_the_permalink(page, material):
    loader = read(page)
    assert loader.fetched == []
    assert loader.links == [material.link]
    assert "default-src 'none'" in page
    assert page.count("plotly.js v") == 1


def test_every_part_is_there_with_numbers_that_made_it(page, moment):
    text = read(page).text
    for heading in (
        "What the model says", "What its confidence has been worth", "What it saw",
        "Why Bearish, in words", "Which bars and features",
        "How far to trust this explanation", "Where the model looks", "Similar moments",
        "What made this report",
    ):  # fmt: skip
        assert heading in text
    for fact in (
        moment.bundle.name, moment.bundle.version, moment.data_fingerprint, "Seed 3",
        "2009-06-05 00:00 UTC", "Sundararajan", "Bullish", "Trending", "Medium",
    ):  # fmt: skip
        assert fact in text, fact


def test_every_figure_is_drawn_once(page):
    figures = [name for name in read(page).ids if name.startswith("figure-")]
    assert figures == ["figure-candles", "figure-attribution", "figure-faithfulness", "figure-attention"]
    for name in figures:
        assert len(re.findall(rf'Plotly\.newPlot\(\s*"{name}"', page)) == 1


def test_what_was_not_measured_is_said_with_the_command(page):
    text = read(page).text
    assert "has not been measured" in text
    assert "python -m core evidence" in text
    assert "no record yet" in text
    assert "python -m core walk-forward" in text


def test_the_review_of_its_walk_forward_is_told_drawn_and_tabled(moment, material, tmp_path):
    result = write_synthetic(tmp_path / "walk")
    reviewed = replace(material, review=review_model(result, moment.bundle, "direction"))
    body = build_body(reviewed)
    loader = read(body)
    assert "figure-reliability" in loader.ids
    assert "Above 60% it would have acted" in loader.text
    assert "Off by" in loader.text
    assert "always the usual shares" in loader.text
    assert "2 expanding folds of AAA 1d and BBB 1d" in loader.text
    assert len(body) - len(build_body(material)) < 100_000


def test_a_walk_forward_without_the_task_or_with_hardly_a_row_is_no_review(moment, tmp_path):
    result = write_synthetic(tmp_path / "walk")
    assert review_model(result, moment.bundle, "weather") is None
    assert review_model(replace(result, rows=result.rows.iloc[:20]), moment.bundle, "direction") is None


def test_the_permalink_restores_the_selection(material):
    asked = dict(parse_qsl(urlsplit(material.link).query))
    found = parse_params(asked, Selection("BBB", "1d"))
    assert found == Selection(
        "AAA", "1d", bar="2009-06-05", task="direction", target="Bearish", method="ig",
        reference="window_mean", model="small",
    )  # fmt: skip
    assert material.link.startswith("http://desk:8501/attribution?")


def test_without_an_address_the_link_is_text(moment, material):
    bare = replace(material, link=permalink(moment, QUESTION, None))
    loader = read(build_body(bare))
    assert loader.links == []
    assert "/attribution?instrument=AAA" in loader.text


def test_names_from_the_data_cannot_write_html(material):
    hostile = "<img src=x onerror=alert(1)>&<b>"
    moment = material.explanation.moment
    prediction = replace(moment.prediction, instrument=hostile, model_name=hostile, known_instrument=False)
    strange = Moment(moment.predictor, replace(moment.window, instrument=hostile))
    strange.__dict__["prediction"] = prediction
    body = build_body(
        replace(material, explanation=replace(material.explanation, moment=strange), troubles=(hostile,))
    )
    assert "<img" not in body
    assert read(body).fetched == []


def test_similar_moments_come_with_what_came_and_chance(indexed, material):
    assert material.similar is None
    text = read(build_body(indexed)).text
    assert "python -m core evidence --parts moments" not in text
    assert "nearest moments" in text
    assert text.count("similarity 0.") + text.count("similarity 1.") == len(indexed.similar.moments) > 1
    for one in indexed.similar.moments:
        shown = one.glimpse.bars["ts"]
        assert shown.iloc[one.glimpse.at] == pd.Timestamp(one.moment.ts, tz="UTC")
        assert shown.max() <= AT


def test_damaged_measurements_are_said_and_the_rest_is_shown(moment):
    folder = evidence_folder(moment.predictor.store.home, moment.bundle)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "routing.json").write_text("{")
    (folder / "moments.npz").write_bytes(b"no")
    try:
        found = gather_material(moment, QUESTION)
    finally:
        (folder / "routing.json").unlink()
        (folder / "moments.npz").unlink()
    assert len(found.troubles) == 2
    assert read(build_body(found)).text.count("measure again") == 1


def test_cancelling_ends_the_work(moment):
    asked = replace(QUESTION, target="Sideways")
    with pytest.raises(Stopped):
        gather_material(moment, asked, cancelled=lambda: True)


def test_progress_never_goes_back(moment):
    told = []
    asked = replace(QUESTION, target="Sideways", method="gradient_times_input")
    gather_material(moment, asked, progress=lambda done, planned: told.append(done / planned))
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1.0)


def test_markdown_of_the_pages_becomes_html_and_nothing_else_does():
    assert inline(":material/info: **a** *b* `c` <d> 2 * 3 * 4") == (
        "<b>a</b> <i>b</i> <code>c</code> &lt;d&gt; 2 * 3 * 4"
    )
    assert (
        unescape(inline(r"**cosine \(of a\)** 2 \* 3 \*a\* \\ \<b>"))
        == r"<b>cosine (of a)</b> 2 * 3 *a* \ <b>"
    )
    assert "<" not in inline(r"\<b>")
    assert "<script>" not in fill("origin", facts=[("<script>", "<script>")])


def test_a_file_name_has_no_surprises():
    assert report_name("BTC/USD", "1h", "2013-02-01T14:00", "direction") == (
        "lookback_BTC_USD_1h_2013-02-01T14_00_direction.html"
    )


def test_the_command_writes_a_file_or_one_sentence(moment, walk_bundle, tmp_path, monkeypatch, capsys):
    home = moment.predictor.store.home
    monkeypatch.setenv("LOOKBACK_HOME", str(home))
    if not (home / "models").exists():
        save_bundle(walk_bundle, home / "models" / "small")
    asked = ["--instrument", "AAA", "--timeframe", "1d", "--at", "2009-06-05", "--model", "small"]
    file = tmp_path / "report.html"
    quick = ["--class", "bearish", "--method", "gradient_times_input"]
    assert main([*asked, *quick, "--html", str(file)]) == 0
    assert "Why Bearish, in words" in file.read_text(encoding="utf-8")
    for wrong in (["--class", "up"], ["--instrument", "ZZZ"], ["--html", str(tmp_path)]):
        capsys.readouterr()
        assert main([*asked, *quick, "--html", str(file), *wrong]) == 2
        said = capsys.readouterr().err.strip().splitlines()
        assert said[-1].startswith("lookback: ")
