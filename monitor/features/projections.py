"""What is kept of embeddings: their shadows on 32 fixed random directions, which profiles can count like any number.

If two clouds of vectors differ, their shadows differ on almost every direction (Cramér and Wold, 1936); after Johnson
and Lindenstrauss, 1984, few directions keep distances well. `jobs/drift.py` calls `project`; drift is judged on these
numbers (`monitor/drift/methods`), and the vectors themselves need not be kept.
"""

import hashlib
from functools import cache

import numpy as np
from numpy.typing import NDArray

from monitor.errors import BadInput

Floats = NDArray[np.float64]

DIRECTIONS = 32
MAX_DIMENSIONS = 65_536
_SEED = "watchpoint projection 1"


def project(vectors: Floats) -> Floats:
    """The cosines between each vector (n, d) and 32 fixed directions, (n, 32); NaN for vectors without a direction.

    Directions have coordinates of one size and random signs (Achlioptas, 2003, "Database-friendly random
    projections"). The signs are bits of SHAKE-256 of d: they are the same on every machine and in every version of
    every library, so that projections of years may be compared. A vector of one length keeps its meaning only as long
    as its model stays the same.

    >>> project(np.array([[1.0, 0.0], [3.0, 4.0], [0.0, 0.0]]))[:, :3].round(3).tolist()
    [[-0.707, -0.707, 0.707], [-0.99, -0.99, -0.141], [nan, nan, nan]]
    """
    found = np.asarray(vectors, np.float64)
    if found.ndim != 2 or not 1 <= found.shape[1] <= MAX_DIMENSIONS:
        raise BadInput(
            f"vectors have the shape {found.shape}; expected (n, d) with d from 1 to {MAX_DIMENSIONS}: one row a vector"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        largest = np.abs(found).max(axis=1, keepdims=True)
        scaled = found / np.where(largest > 0, largest, np.nan)  # squares of very large numbers stay finite
        unit = scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
    return np.asarray(unit @ directions(found.shape[1]), np.float64)


@cache
def directions(dimensions: int) -> Floats:
    """The unit vectors, one a column (d, 32)."""
    digest = hashlib.shake_256(f"{_SEED} {dimensions}".encode()).digest(dimensions * DIRECTIONS // 8)
    bits = np.unpackbits(np.frombuffer(digest, np.uint8)).reshape(dimensions, DIRECTIONS)
    return np.asarray((2.0 * bits - 1.0) / np.sqrt(dimensions))
