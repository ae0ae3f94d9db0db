"""Sentences and labels several screens share, without Streamlit.

Files: confidence, features, members, numbers, own_scale, predictions, records, scales.
"""
