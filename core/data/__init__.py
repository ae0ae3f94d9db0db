"""Bars, their store, and what a model reads and is asked of them.

Files: bars, calendar, dataset, findings, freshness, inputs, partitions, scaling, segments, store,
volatility, windows.
Folders: features, ingest, labels.
"""
