"""What acting on the calls would have earned after costs, and what each doubt was worth.

Files: account, calls, market, rules, stance, thresholds, walk.
"""
