"""Data sets in files, column by column in bounded memory: two are compared, or one becomes a reference of drift.

reading    Parquet and CSV: which columns there are, of which kind, and their values in chunks
comparing  profiles of a file's columns, and the judgement of one file against another

`jobs/references.py` and the command line call these.
"""
