"""Losses, the trainer, and scoring what was trained.

Files: evaluation, losses, module, pipeline, scoring, tracking, trainer.
"""
