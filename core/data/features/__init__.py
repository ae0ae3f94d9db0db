"""Bars -> feature columns, strictly causal.

Files: indicators, price, table.
"""
