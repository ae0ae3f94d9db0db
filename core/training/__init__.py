"""Losses, the trainer, and scoring what was trained.

Files: audit, evaluation, lines, losses, members, module, pipeline, scoring, tracking, trainer.
"""
