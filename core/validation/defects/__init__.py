"""Known kinds of defects, each with a check that states its statistic and its limit.

Files: check, costs, folds, forecasts, series.
"""
