"""Losses, the trainer, and scoring what was trained.

Files: evaluation, lines, losses, members, module, pipeline, scoring, tracking, trainer.
"""
