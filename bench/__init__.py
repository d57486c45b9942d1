"""Measures Watchpoint against the bars of docs/performance.md: `python -m bench [NAME ...] [--quick]`."""
