"""Ways to compare two profiles, one per file; `table` lists them for `monitor/drift/judging.py`, docs and menus."""
