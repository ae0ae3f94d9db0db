"""A model at work: what it says of every stored series now.

Files: latest, stances.
"""
