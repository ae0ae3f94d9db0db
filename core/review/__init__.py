"""Judged afterwards: what stated confidences and calls were worth.

Files: acting, calibration, outcomes, performance, rows, selective, sets, track_record.
"""
