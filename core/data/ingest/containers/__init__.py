"""The kinds of file that bars come in, each as a table of raw columns.

Files: arrow, headers, packed, records, side_by_side, table, text, workbook.
"""
