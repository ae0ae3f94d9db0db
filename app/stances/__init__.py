"""What the strategy does about a call and why it stays out, on Live and the Desk.

Files: cached, panels.
"""
