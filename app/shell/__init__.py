"""What every screen needs: selection, caches, controls, notices, jobs, choosers.

Files: cached, choosers, controls, jobs, notices, selection, style, view.
"""
