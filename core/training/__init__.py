"""Losses, the trainer, and scoring what was trained.

Files: audit, block_error, evaluation, lines, losses, members, module, pipeline, scoring, tracking, trainer.
"""
