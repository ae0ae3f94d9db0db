"""Losses, the trainer, and scoring what was trained.

Files: audit, block_error, comparison, evaluation, lines, losses, members, module, pipeline, scoring,
tracking, trainer.
"""
