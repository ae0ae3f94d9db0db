"""Lookback without a screen: data, model, training, confidence and explanations.

Files: __main__, bundle, config, device, disk, errors, prediction, predictor, progress, settings, timeframe.
Folders: baselines, cli, confidence, data, experiments, explain, models, operations, review, scores, trading,
training, validation.
"""

import os

__version__ = "0.1.0"

# Waiting threads that spin starve each other once anything else runs; torch reads this at its import.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
