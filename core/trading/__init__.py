"""What acting on the calls would have earned after costs, and what each doubt was worth.

Files: account, bootstrap, calls, market, metrics, rules, stance, thresholds, walk.
"""
