"""What a simpler model says beside a call, on Live and Attribution.

Files: cached, panels.
"""
