"""Importers: logs of other tools as events for the door. `python -m monitor import` is made of these."""

from monitor.importers.mapping import parse_pairs
from monitor.importers.reader import open_import, preview
from monitor.importers.records import Column, Import, Importer, Row, Summary
from monitor.importers.run import format_columns, format_summary, run_import
from monitor.importers.table import IMPORTERS

__all__ = [
    "IMPORTERS",
    "Column",
    "Import",
    "Importer",
    "Row",
    "Summary",
    "format_columns",
    "format_summary",
    "open_import",
    "parse_pairs",
    "preview",
    "run_import",
]
