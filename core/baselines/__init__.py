"""Forecasters a model must beat.

Files: har, measures, simple, trees.
"""
