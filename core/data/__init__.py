"""Bars, their store, and what a model reads and is asked of them.

Files: bars, calendar, caveats, dataset, findings, freshness, inputs, merging, partitions, scaling, segments,
store, volatility, windows.
Folders: features, ingest, labels.
"""
