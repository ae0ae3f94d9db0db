"""Bars -> feature columns, strictly causal.

Files: indicators, own_scale, price, table.
"""
