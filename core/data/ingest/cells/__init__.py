"""What single cells of a file say: times, whose zone and order of day and month are told, and numbers.

Files: grammar, moments, numbers, order, times, trading_dates, zones.
"""
