"""What single cells of a file say: times, whose zone and order of day and month are told, and numbers.

Files: grammar, numbers, order, times, zones.
"""
