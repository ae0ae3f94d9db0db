"""How sure: the sources, their calibration and prediction sets.

Files: calibrators, choice, composition, conformal, mc_dropout, ranks, similarity, sources, stated.
"""
