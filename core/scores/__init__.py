"""How good: numbers from predictions and outcomes; no model, no bars.

Files: calibration_error, formulas, intervals, metrics, reliability, selective, stretches.
"""
