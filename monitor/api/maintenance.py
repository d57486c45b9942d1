"""Maintenance verbs of the owner, for the route of the same name."""

from pathlib import Path
from typing import Any

import orjson

from monitor.errors import BadInput, NotFound
from monitor.store.owner import StoreOwner


def maintain(owner: StoreOwner, job: str, body: bytes) -> dict[str, Any]:
    """Do one maintenance verb. Raises NotFound and BadInput."""
    if job == "retention":
        return {"job": job, "left_the_store": owner.expire(owner.clock())}
    if job != "backup":
        raise NotFound(f"there is no maintenance job {job!r}; there are backup and retention")
    try:
        target = Path(orjson.loads(body)["target"])
    except (ValueError, KeyError, TypeError):
        raise BadInput('the body must be {"target": "an absolute path to a new folder"}') from None
    if not target.is_absolute():
        raise BadInput(f"target is {str(target)!r}: give an absolute path, on the machine of `api`")
    return {"job": job, "target": str(target), **owner.back_up(target)}
