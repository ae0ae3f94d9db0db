import pytest
import yaml

from core.errors import ConfigError
from core.trading.rules import RULES_PATH, Rules, load_rules, parse_rules


def test_the_shipped_yaml_holds_every_rule_at_its_default():
    assert load_rules() == Rules()
    written = yaml.safe_load(RULES_PATH.read_text())
    assert {name: set(section) for name, section in written.items()} == {
        name: set(field.annotation.model_fields) for name, field in Rules.model_fields.items()
    }


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("exits.stopp=2", "did you mean 'stop'"),
        ("exits.stop=-1", "exits.stop"),
        ("entry.probability=1.2", "calibrated or lie in 0..1"),
        ("doubts.least_ranks={moon: 0.5}", "known sources: attention"),
        ("doubts.regimes=[Calm]", "known regimes: Trending"),
        ("size.regime_factors={Volatile: -1}", "not be negative"),
        ("brake.recovered=0.2", "below brake.drawdown"),
        ("costs.instruments={AAPL: {fee: 1}}", "commission_bp"),
    ],
)
def test_a_wrong_rule_is_refused_in_one_sentence(override, said):
    with pytest.raises(ConfigError, match=said) as refusal:
        load_rules(sets=[override])
    assert "\n" not in str(refusal.value)


def test_an_instrument_has_its_own_costs_where_they_are_given():
    rules = parse_rules({"costs": {"commission_bp": 3.0, "instruments": {"EUR": {"commission_bp": 0.1}}}})
    assert rules.costs.of("EUR").commission_bp == 0.1
    assert rules.costs.of("AAPL").commission_bp == 3.0
