"""Training without an idea, or with other settings, beside the whole.

Files: arms, run, scores, without_features.
"""
