"""What acting on the calls would have earned after costs, and what each doubt was worth.

Files: account, backtest, calls, kept, market, results, rules, stance, thresholds, walk.
Folders: performance.
"""
