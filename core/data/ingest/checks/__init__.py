"""What the quality gate looks for beyond a single row.

Files: moves, spacing.
"""
