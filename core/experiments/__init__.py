"""Compared how: walk-forward and ablation.

Files: fitted_baselines, left_out.
Folders: ablation, walk_forward.
"""
