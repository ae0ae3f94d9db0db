"""What the model is asked, measured on later bars and cut into classes.

Files: assign, borders, measure, past.
"""
