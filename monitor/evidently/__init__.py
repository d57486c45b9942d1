"""Full reports and test suites of Evidently: its second opinion on a drift, on a stated sample of what we described.

`jobs/evidently.py` makes the reports that pages ask for, `commands.py` those of the command line. Evidently itself
runs in a process of its own, `python -m monitor.evidently`: importing it takes seconds and 140 MB.
"""
