"""Features on the series' own scale: what was, against the borders its classes are cut at.

"Low" and "High" of a series are its own trailing terciles, so a volatility says nothing until it is measured
against them; the parts beyond a border are inputs of their own because what follows changes slope there.
"""

from __future__ import annotations

import numpy as np

from core.config import LabelConfig
from core.data.labels.borders import Borders
from core.data.labels.past import PastQuantities
from core.data.volatility import efficiency_ratio, log_volatility, trailing_mean

WINDOWS = (1, 5, 22, 60)
SEMIVARIANCE_WINDOWS = (5, 22)

_LIMIT = 4.0
"""Of a log ratio, and of a share: a bar without a range would lie 10 below every border."""

_SIGMA_FLOOR = 1e-9
_BORDER_FLOOR = 1e-3


def own_scale_features(past: PastQuantities, borders: Borders, config: LabelConfig) -> dict[str, np.ndarray]:
    """Past volatility and the known part of the regime window against the series' trailing borders.

    Parameters
    ----------
    past
        Of T bars, all with prices.
    borders
        Trailing, of the same bars.

    Returns
    -------
    dict
        Each (T,), NaN where a border is unknown. Log ratios within [-4, 4]:
        ``volatility_N_over_low`` and ``_over_high`` (log realised volatility of the last N bars minus the
        border) with ``_below_low`` and ``_above_high`` (the part beyond, 0 elsewhere);
        ``volatility_border_gap`` (high minus low); ``sigma_over_low`` (the EWMA volatility's);
        ``past_ratio_over`` (the regime's ratio over the last whole window against its border).
        Of the K = W - lead bars of the regime window that lie before its label's future:
        ``known_ratio`` (log of their root mean squared return over sigma and over the border),
        ``known_filled`` (their share of the squared returns that make the window Volatile), ``known_net`` and
        ``known_path`` (net move over sigma sqrt(K), path over sigma K), ``known_efficiency_over`` (efficiency
        ratio minus its border) with ``known_efficiency_above`` (the part above 0).
        ``semivariance_balance_N`` in [-1, 1]: falling minus rising squared returns, over their sum.

    References
    ----------
    Barndorff-Nielsen, Kinnebrock and Shephard, Measuring downside risk: realised semivariance, 2010.
    """
    sigma = np.where(past.sigma > _SIGMA_FLOOR, past.sigma, np.nan)
    return (
        _volatility_features(past, borders, sigma)
        | _known_half(past, borders, sigma, config)
        | semivariance_balances(past.returns)
    )


def _volatility_features(past: PastQuantities, borders: Borders, sigma: np.ndarray) -> dict[str, np.ndarray]:
    low, high = borders.volatility_low, borders.volatility_high
    columns = {}
    for bars in WINDOWS:
        volatility = log_volatility(trailing_mean(past.variance, bars))
        columns[f"volatility_{bars}_over_low"] = over_low = _bounded(volatility - low)
        columns[f"volatility_{bars}_over_high"] = over_high = _bounded(volatility - high)
        columns[f"volatility_{bars}_below_low"] = np.maximum(-over_low, 0)
        columns[f"volatility_{bars}_above_high"] = np.maximum(over_high, 0)
    columns["volatility_border_gap"] = _bounded(high - low)
    columns["sigma_over_low"] = _bounded(np.log(sigma) - low)
    return columns


def _known_half(
    past: PastQuantities, borders: Borders, sigma: np.ndarray, config: LabelConfig
) -> dict[str, np.ndarray]:
    window, known = config.regime_window, max(config.regime_window - config.regime_lead, 1)
    border = np.where(borders.regime_ratio > _BORDER_FLOOR, borders.regime_ratio, np.nan)
    squares = trailing_mean(past.returns**2, known)
    filled = np.clip(known * squares / (window * (border * sigma) ** 2), 0, _LIMIT)
    efficiency = efficiency_ratio(past.returns, known) - borders.regime_efficiency
    unit = np.log(sigma) + np.log(border)
    return {
        "known_ratio": _bounded(log_volatility(squares) - unit),
        "known_filled": filled,
        "known_net": _bounded(np.abs(trailing_mean(past.returns, known)) * np.sqrt(known) / sigma),
        "known_path": _bounded(trailing_mean(np.abs(past.returns), known) / sigma),
        "known_efficiency_over": efficiency,
        "known_efficiency_above": np.maximum(efficiency, 0),
        "past_ratio_over": _bounded(log_volatility(trailing_mean(past.returns**2, window)) - unit),
    }


def semivariance_balances(returns: np.ndarray) -> dict[str, np.ndarray]:
    """``semivariance_balance_N`` of `own_scale_features`, from the returns (T,) alone; 0 without a move."""
    columns = {}
    for bars in SEMIVARIANCE_WINDOWS:
        total = trailing_mean(returns**2, bars)
        signed = trailing_mean(-np.sign(returns) * returns**2, bars)
        with np.errstate(invalid="ignore", divide="ignore"):
            balance = np.where(total > 0, signed / total, 0.0)
        columns[f"semivariance_balance_{bars}"] = np.where(np.isnan(total), np.nan, balance)
    return columns


def _bounded(values: np.ndarray) -> np.ndarray:
    return np.clip(values, -_LIMIT, _LIMIT)
