"""Markets with known causes that score every method.

Files: markets, references, run, scores, training, views.
"""
