"""Markets with known causes that score every method.

Files: markets, run, scores, training, views.
"""
