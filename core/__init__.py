"""Lookback without a screen: data, model, training, confidence and explanations."""

import os

__version__ = "0.1.0"

# Waiting threads that spin starve each other as soon as anything else runs; read when torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
