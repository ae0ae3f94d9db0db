"""Fold after fold, each scored on what came after it.

Files: audit, borders, find, fold, records, results, rows, run, summary.
"""
