"""What an account is judged by, what it must beat, and where its trades and doubts paid.

Files: bootstrap, metrics, rivals, slices, split, vetoes.
"""
