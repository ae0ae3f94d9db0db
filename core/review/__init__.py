"""Judged afterwards: what stated confidences and calls were worth.

Files: acting, calibration, disagreement, evidence, notes, outcomes, own_record, performance, rows, selective,
sets, track_record.
"""
