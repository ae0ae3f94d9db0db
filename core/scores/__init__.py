"""How good: numbers from predictions and outcomes; no model, no bars.

Files: bootstrap, calibration_error, metrics, reliability, selective.
"""
