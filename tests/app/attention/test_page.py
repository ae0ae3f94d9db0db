"""The Attention page without a browser, over small models."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.bundle import load_bundle, save_bundle
from core.explain.evidence.store import evidence_folder, write_evidence
from tests.app.words.test_predictions import evidence
from tests.app.workbench import assert_no_fault, open_page, said
from tests.conftest import small_config, untrained_bundle


def open_attention(**params: str) -> AppTest:
    app = open_page("attention", **{"instrument": "AAA", "timeframe": "1d", **params})
    assert_no_fault(app)
    return app


@pytest.mark.usefixtures("home")
def test_nothing_measured_is_said_with_the_command_that_measures_it() -> None:
    text = said(open_attention())
    assert "Attention shows routing, not cause." in text
    assert "run `python -m core evidence`" in text


def test_what_was_measured_on_this_model_is_said_for_the_selected_task(home: Path) -> None:
    bundle = load_bundle(home / "models" / "small")
    measured = evidence() | {
        "bars": 300, "segment": "test", "first": "2009-01-01", "last": "2010-01-01", "block": 3
    }  # fmt: skip
    write_evidence(evidence_folder(home, bundle), bundle, "routing", measured)
    text = said(open_attention())
    assert "rank correlation **.31 [.26, .36]**" in text
    assert "has not been measured" not in text
    assert "has not been measured" in said(open_attention(task="regime"))


def test_evidence_about_another_model_is_not_shown(home: Path, walk_data, tmp_path: Path) -> None:
    other = untrained_bundle(walk_data, small_config(), tmp_path / "other", seed=1)
    write_evidence(evidence_folder(home, other), other, "routing", evidence())
    assert "has not been measured" in said(open_attention())


@pytest.mark.usefixtures("home")
def test_the_task_is_chosen_on_the_page_and_kept_in_the_link() -> None:
    app = open_attention()
    choice = next(group for group in app.get("button_group") if group.key == "attended_task")
    assert choice.value == "direction"
    choice.set_value("regime").run()
    assert app.query_params["task"] == "regime"
    assert_no_fault(app)


@pytest.mark.usefixtures("home")
def test_a_second_bar_in_the_link_is_compared_in_one_sentence() -> None:
    text = said(open_attention(bar="2010-01-04", against="2009-06-01"))
    assert "From 2010-01-04 the heads look back" in text
    assert "from 2009-06-01 **" in text
    assert "between 2010-01-04 and the bar before it" in text


@pytest.mark.usefixtures("home")
def test_nothing_is_compared_before_somebody_asks() -> None:
    assert "the heads look back" not in said(open_attention())


def test_two_models_are_compared_at_the_same_bar(home: Path, walk_data) -> None:
    second = small_config().model_copy(update={"name": "second"})
    untrained_bundle(walk_data, second, home / "models" / "second", seed=5)
    text = said(open_attention(bar="2010-01-04", model="small", rival="second"))
    assert "From small at 2010-01-04" in text
    assert "from second at 2010-01-04" in text


@pytest.mark.usefixtures("home")
def test_a_rival_that_does_not_exist_is_refused_and_the_rest_of_the_page_stands() -> None:
    text = said(open_attention(rival="nobody"))
    assert "This cannot be used as it is" in text
    assert "Every head in a row" in text


@pytest.fixture
def pair(home: Path, pair_bundle) -> Path:
    """Beside the single transformer an ensemble of two, which the link names."""
    save_bundle(pair_bundle, home / "models" / "pair")
    return home


@pytest.mark.usefixtures("pair")
def test_an_ensembles_heads_are_named_by_member_and_one_member_can_be_chosen() -> None:
    app = open_attention(model="pair", layer="2", head="5")
    assert app.selectbox(key="map_head").options[5] == "member 2, head 1"
    choice = app.selectbox(key="attention_member")
    assert choice.options == ["all members", "member 1", "member 2"]
    choice.select(2).run()
    assert_no_fault(app)
    assert app.query_params["member"] == "2"
    assert "head" not in app.query_params
    assert app.selectbox(key="map_head").options == ["mean of all heads", *(f"head {n}" for n in range(1, 5))]


@pytest.mark.usefixtures("pair")
def test_a_single_transformer_has_no_members_to_choose_from() -> None:
    app = open_attention(model="small")
    assert "attention_member" not in {box.key for box in app.selectbox}
    text = said(open_attention(model="pair", member="3"))
    assert "a member from 1 to 2" in text


@pytest.mark.usefixtures("pair")
def test_a_member_is_compared_with_itself_at_another_bar() -> None:
    app = open_attention(model="pair", member="2", bar="2010-01-04", against="2009-06-01")
    assert "From 2010-01-04 the heads look back" in said(app)
