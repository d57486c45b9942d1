from datetime import datetime
from pathlib import Path

import pytest

from monitor.importers import open_import
from tests.importers.logs import SET, events


def test_parquet_maps_like_csv_and_keeps_types(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    moments = [datetime(2026, 1, 1, 12, 0, n % 60, 5) for n in range(2500)]  # noqa: DTZ001  # local time is the point
    table = pa.table(
        {
            "timestamp": pa.array(moments, pa.timestamp("ns")),
            "latency_ms": [None if n % 2 else float(n) for n in range(2500)],
            "messages": [[{"role": "user", "content": "hi"}]] * 2500,
            "blob": [b"\x00"] * 2500,
        }
    )
    parquet.write_table(table, tmp_path / "a.parquet", row_group_size=600)
    imported = open_import(tmp_path / "a.parquet", constants=SET, timezone="Europe/Berlin", keep_rest=True)
    found = events(imported)
    assert (imported.importer, imported.unit, imported.total, len(found)) == ("parquet", "rows", 2500, 2500)
    assert (found[0]["ts"], found[0]["input_text"]) == ("2026-01-01T11:00:00.000005Z", "hi")
    assert ("latency_ms" in found[1], "attrs" in found[0]) == (False, False)
    assert len({event["event_id"] for event in found}) == 2500
    assert found == events(imported)


def test_a_damaged_parquet_row_group_costs_only_itself(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pa.table({"ts": [1_795_180_436 + n for n in range(300)], "prompt": [f"text {n * n}" for n in range(300)]})
    path = tmp_path / "a.parquet"
    parquet.write_table(table, path, row_group_size=100, compression="gzip")
    data = bytearray(path.read_bytes())
    start = parquet.ParquetFile(path).metadata.row_group(1).column(1).data_page_offset
    data[start : start + 60] = b"\xff" * 60
    path.write_bytes(data)
    rows = list(open_import(path, constants=SET))
    assert len([row for row in rows if row.event]) == 200
    assert [row.problem is not None for row in rows].count(True) == 1
