"""Past moments the model sees as alike.

Files: glimpse, index, reach, search.
"""
