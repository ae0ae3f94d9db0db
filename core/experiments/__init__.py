"""Compared how: walk-forward and ablation.

Files: fitted_baselines.
Folders: ablation, walk_forward.
"""
