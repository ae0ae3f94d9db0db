"""Past moments the model sees as alike.

Files: index, reach, search.
"""
