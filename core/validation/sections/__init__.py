"""The sections of the validation pack, each computed from what is stored.

Files: backtest, calibration, defects, explanations, fit, limits, monitoring, notes, origin, outcomes,
sensitivity, slices, stability.
"""
