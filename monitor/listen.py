"""Where a process may listen: on loopback only, for as long as there is no sign-in that would protect it."""

import ipaddress

from monitor.errors import ConfigError


def check_listen(host: str) -> None:
    """Refuse an address beyond loopback: there is no authentication yet that would protect it."""
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ConfigError(
            f"refusing to listen on {host!r}: without authentication only loopback (127.0.0.1, ::1, localhost) is "
            "allowed; "
            "put an authenticating proxy on this machine in front of it"
        )
