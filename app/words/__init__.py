"""Sentences and labels several screens share, without Streamlit.

Files: features, predictions.
"""
