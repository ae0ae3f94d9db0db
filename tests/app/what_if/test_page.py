"""The What-if page without a browser: edits, impossible ones, features, the search, the explanation."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from app.what_if.drafts import DRAFTS, Draft
from tests.app.workbench import assert_accepted, open_page, said, wait_for

BAR = "2009-06-01"
PLACE = ("AAA", "1d", BAR)


pytestmark = pytest.mark.usefixtures("home")


def open_what_if(mode: str = "bars", **state: object) -> AppTest:
    state = {"what_if_mode": mode, **state}
    return open_page("what_if", state, instrument="AAA", timeframe="1d", bar=BAR)


def draft(app: AppTest) -> Draft:
    return app.session_state[DRAFTS][PLACE]


def test_before_any_edit_the_page_says_what_the_model_says() -> None:
    app = open_what_if()
    assert_accepted(app)
    assert "Nothing is changed yet" in said(app)
    assert not any(button.key == "explain_change" for button in app.button)


def test_a_quick_action_edits_the_last_bar_and_undo_takes_it_back(walks) -> None:
    app = open_what_if()
    app.button(key="close_lower").click().run()
    assert_accepted(app)
    bars = walks["AAA", "1d"]
    close = float(bars.loc[bars["ts"].dt.strftime("%Y-%m-%d") == BAR, "close"].iloc[0])
    edited = {(name, column): value for name, column, value in draft(app).cells}
    assert edited[BAR, "close"] == pytest.approx(0.98 * close, abs=0.02)
    assert f'<th scope="row">{BAR}</th><td>close</td>' in said(app)
    assert "Nothing is changed yet" not in said(app)
    app.button(key="volume_triple").click().run()
    assert {column for _, column, _ in draft(app).cells} >= {"close", "volume"}
    assert_accepted(app)
    app.button(key="what_if_undo").click().run()
    assert draft(app).cells == ()
    assert "Nothing is changed yet" in said(app)


def test_a_low_above_the_open_is_one_sentence_and_loses_nothing() -> None:
    cells = ((BAR, "low", 1e6), ("2009-05-29", "volume", 5.0))
    app = open_what_if(**{DRAFTS: {PLACE: Draft(base=cells, cells=cells)}})
    assert not app.exception
    text = said(app)
    assert text.count("This cannot be used as it is") == 1
    assert text.count("Expected low <= open and close <= high") == 1
    assert "low 1000000" in text
    assert set(draft(app).cells) == set(cells)
    assert "The change cannot be used" in text
    assert "Nothing is changed yet" not in text


def test_an_emptied_price_is_refused_in_a_sentence() -> None:
    cells = ((BAR, "close", float("nan")),)
    app = open_what_if(**{DRAFTS: {PLACE: Draft(base=cells, cells=cells)}})
    assert not app.exception
    assert said(app).count("Expected a finite value, above 0 for prices") == 1


def test_a_changed_feature_is_listed_in_its_own_unit_scored_and_removed() -> None:
    app = open_what_if("features", what_if_feature="rsi_14")
    assert_accepted(app)
    assert "may correspond to no possible bars" in said(app)
    app.button(key="what_if_add").click().run()
    assert_accepted(app)
    assert draft(app).changes[0][:2] == ("rsi_14", 5)
    assert "RSI, 14 bars = " in said(app)
    app.button(key="what_if_remove_0").click().run()
    assert draft(app).changes == ()


def test_a_locked_feature_is_refused_and_the_change_is_kept() -> None:
    changes = (("rsi_14", 5, 99.0),)
    app = open_what_if("features", what_if_locked=["rsi_14"], **{DRAFTS: {PLACE: Draft(changes=changes)}})
    assert not app.exception
    assert "Expected a feature that is not locked, got 'rsi_14'; unlock it first." in said(app)
    assert draft(app).changes == changes
    app.multiselect(key="what_if_locked").set_value([]).run()
    assert_accepted(app)
    assert "Nothing is changed yet" not in said(app)


def test_the_search_says_what_flips_the_call_or_that_it_found_nothing() -> None:
    app = open_what_if("flip")
    assert_accepted(app)
    app.button(key="flip_search").click().run()
    text = wait_for(app, "The call flips", "is no proof")
    assert_accepted(app)
    assert ("The call flips" in text) != ("is no proof" in text)
    flips = "the call flips**" in text or "the most probable flips**" in text
    assert flips == ("The call flips" in text)
    assert draft(app).search is not None
    assert "missing_share" not in draft(app).search.free


def test_the_change_is_explained_on_demand() -> None:
    app = open_what_if()
    app.button(key="close_lower").click().run()
    assert "moved the log-odds" not in said(app)
    app.button(key="explain_change").click().run()
    wait_for(app, "The edit moved the log-odds of")
    assert_accepted(app)
    assert "features nobody edited have 0 there" in said(app)


def test_edits_travel_in_the_link_and_open_again() -> None:
    app = open_what_if()
    app.button(key="close_lower").click().run()
    params = {name: app.query_params[name] for name in app.query_params}
    assert params["edits"].startswith(f"{BAR}~")
    cells = draft(app).cells
    again = open_page("what_if", **params)
    assert_accepted(again)
    assert draft(again).cells == cells
    assert "Nothing is changed yet" not in said(again)


def test_edits_no_bar_has_are_one_sentence() -> None:
    app = open_page("what_if", instrument="AAA", timeframe="1d", bar=BAR, edits=f"{BAR}~colour~3.0")
    assert not app.exception
    assert "edits of columns and features there are" in said(app)
    assert "got 'colour'" in said(app)


def test_another_bar_takes_no_edits_along() -> None:
    app = open_what_if()
    app.button(key="close_lower").click().run()
    app.button(key="step_back").click().run()
    assert_accepted(app)
    assert "edits" not in app.query_params
    assert "Nothing is changed yet" in said(app)


def test_a_link_brings_back_the_feature_being_entered_and_what_the_search_may_change() -> None:
    link: dict[str, str] = {"instrument": "AAA", "timeframe": "1d", "bar": BAR}
    app = open_page(
        "what_if", None, what_if_mode="features", what_if_feature="rsi_14", what_if_bars="9000",
        what_if_value="rsi_14~62.5", **link,
    )  # fmt: skip
    assert_accepted(app)
    assert app.selectbox(key="what_if_feature").value == "rsi_14"
    assert app.number_input(key="what_if_bars").value == app.number_input(key="what_if_bars").max
    assert app.number_input(key=f"what_if_value_rsi_14_{BAR}").value == pytest.approx(62.5, abs=0.01)
    assert app.query_params["what_if_value"] == "rsi_14~62.5"
    app = open_page("what_if", None, what_if_mode="flip", flip_bars="7", flip_penalty="smooth", **link)
    assert_accepted(app)
    assert app.number_input(key="flip_bars").value == 7
    assert app.query_params["flip_penalty"] == "smooth"
