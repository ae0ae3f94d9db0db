"""How calls become trades: every rule, validated in one place and loaded from YAML."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from core.confidence.sources import SOURCES
from core.config import ASSETS
from core.data.labels.assign import LABEL_CLASSES
from core.settings import Section, read_settings, validate_settings

RULES_PATH = ASSETS / "trading.yaml"
REGIMES = LABEL_CLASSES["regime"]


def _check_regimes(names: Sequence[str] | dict[str, float], where: str) -> None:
    unknown = sorted(set(names) - set(REGIMES))
    if unknown:
        raise ValueError(f"{where} names {unknown}; known regimes: {', '.join(REGIMES)}")


class EntryRules(Section):
    """When a position is opened."""

    probability: float | Literal["calibrated"] = Field(
        default="calibrated", description="least of max(P(Bullish), P(Bearish)), 0..1"
    )
    confidence: float | Literal["calibrated"] = Field(default="calibrated", description="least, 0..1")
    least_trades: int = Field(default=30, ge=1, description="calibrate trades a pair of thresholds needs")

    @model_validator(mode="after")
    def _within(self) -> EntryRules:
        for name in ("probability", "confidence"):
            value = getattr(self, name)
            if not isinstance(value, str) and not 0 <= value <= 1:
                raise ValueError(f"entry.{name} must be calibrated or lie in 0..1, got {value}")
        return self


class DoubtRules(Section):
    """What keeps a call from being acted on."""

    no_call: bool = True
    out_of_distribution: bool = True
    both_directions: bool = True
    least_ranks: dict[str, float] = Field(
        default=dict.fromkeys(SOURCES, 0.1), description="by source, 0..1 among the calibrate bars"
    )
    regimes: list[str] = Field(default=list(REGIMES), description="in which positions are opened")

    @model_validator(mode="after")
    def _known(self) -> DoubtRules:
        unknown = sorted(set(self.least_ranks) - set(SOURCES))
        if unknown:
            raise ValueError(f"doubts.least_ranks names {unknown}; known sources: {', '.join(SOURCES)}")
        if any(not 0 <= rank <= 1 for rank in self.least_ranks.values()):
            raise ValueError("doubts.least_ranks must lie in 0..1")
        _check_regimes(self.regimes, "doubts.regimes")
        return self


class SizeRules(Section):
    """How large a position is."""

    target_volatility: float = Field(default=0.10, gt=0, description="a year, of each position alone")
    forecast_weight: float = Field(
        default=0.5, ge=0, le=1, description="of the predicted volatility class in the expected variance"
    )
    least_confident: float = Field(
        default=0.5, gt=0, le=1, description="share of the size at the confidence threshold"
    )
    regime_factors: dict[str, float] = Field(default=dict.fromkeys(REGIMES, 1.0))

    @model_validator(mode="after")
    def _known(self) -> SizeRules:
        _check_regimes(self.regime_factors, "size.regime_factors")
        if any(factor < 0 for factor in self.regime_factors.values()):
            raise ValueError("size.regime_factors must not be negative")
        return self


class ExitRules(Section):
    """When a position is closed."""

    stop: float | None = Field(default=3.0, gt=0, description="expected volatilities of one bar")
    take_profit: float | None = Field(default=5.0, gt=0, description="expected volatilities of one bar")
    bars: int | None = Field(default=None, ge=1, description="null = the label's horizon")
    opposite_call: bool = True
    renew: bool = False


class ExposureRules(Section):
    """Most that is held, as a share of the equity at the close before."""

    per_instrument: float = Field(default=0.5, gt=0)
    total: float = Field(default=1.5, gt=0)


class BrakeRules(Section):
    """What happens to new positions while the equity lies below its peak."""

    drawdown: float | None = Field(default=0.10, gt=0, lt=1)
    action: Literal["halve", "stop"] = "halve"
    recovered: float = Field(default=0.05, ge=0, lt=1, description="drawdown at which it ends")
    bars: int = Field(default=60, ge=1, description="or after so many bars, from a new peak")

    @model_validator(mode="after")
    def _consistent(self) -> BrakeRules:
        if self.drawdown is not None and self.recovered >= self.drawdown:
            raise ValueError("brake.recovered must be below brake.drawdown")
        return self


class InstrumentCosts(Section):
    """Of one instrument's fills and shorts."""

    commission_bp: float = Field(default=1.0, ge=0)
    slippage_bp: float = Field(default=1.0, ge=0)
    borrow_per_year: float = Field(default=0.01, ge=0)


class CostRules(InstrumentCosts):
    """Of every fill, in basis points of its value, and of shorts a year; some instruments have their own."""

    instruments: dict[str, InstrumentCosts] = Field(default={})

    def of(self, instrument: str) -> InstrumentCosts:
        """Those of one instrument."""
        return self.instruments.get(instrument, self)


class Rules(Section):
    """The whole set of rules, see assets/trading.yaml."""

    entry: EntryRules = EntryRules()
    doubts: DoubtRules = DoubtRules()
    size: SizeRules = SizeRules()
    exits: ExitRules = ExitRules()
    exposure: ExposureRules = ExposureRules()
    brake: BrakeRules = BrakeRules()
    costs: CostRules = CostRules()


def load_rules(path: Path | None = None, sets: Sequence[str] = ()) -> Rules:
    """Read a YAML file, assets/trading.yaml by default, with ``key=value`` overrides applied.

    Raises
    ------
    ConfigError
        If the file is missing or no YAML, or a key or value is not allowed.
    """
    return parse_rules(read_settings(RULES_PATH if path is None else Path(path), sets, RULES_PATH.name))


def parse_rules(raw: dict[str, Any]) -> Rules:
    """Validate a plain mapping; the first thing wrong is said in one sentence."""
    return validate_settings(Rules, raw)
