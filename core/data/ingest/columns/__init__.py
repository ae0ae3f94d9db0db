"""What the columns of a file are likely to mean.

Files: foresight, guess, words.
"""
