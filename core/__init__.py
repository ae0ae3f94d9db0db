"""Lookback without a screen: data, model, training, confidence and explanations."""

__version__ = "0.1.0"
