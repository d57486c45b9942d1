"""`python -m bench.api_at TIME`: the api with a clock that starts at TIME (RFC 3339), for stores that end there."""

import sys
from datetime import UTC, datetime

import uvicorn

from monitor.api.app import create_app
from monitor.config import load_settings
from monitor.fleet import load_fleet
from monitor.logs import set_up_logs
from monitor.store.owner import StoreOwner


def main(start: datetime) -> None:
    """Serve as `python -m monitor api` does."""
    settings, began = load_settings(), datetime.now(UTC)
    set_up_logs(settings.log_level, "api")
    owner = StoreOwner(settings, load_fleet(settings.fleet_file), lambda: start + (datetime.now(UTC) - began))
    owner.claim()
    uvicorn.run(
        create_app(settings, owner),
        host=settings.api_host,
        port=settings.api_port,
        access_log=False,
        log_config=None,
    )


if __name__ == "__main__":
    main(datetime.fromisoformat(sys.argv[1]))
