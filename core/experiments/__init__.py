"""Compared how: walk-forward and ablation.

Files: challengers, fitted_baselines, forecasters, left_out.
Folders: ablation, walk_forward.
"""
