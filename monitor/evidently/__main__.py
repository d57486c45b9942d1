"""The process of Evidently: `python -m monitor.evidently FOLDER MEMORY_MIB` makes the report that a folder orders.

Started by `child`, with an environment of its own. It says how far it is on standard output, a JSON object a line, and
ends when its standard input does: whoever started it is gone then.
"""

import json
import os
import resource
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

from monitor.errors import BadInput
from monitor.evidently.orders import ORDER, Order

NETWORK = frozenset(
    {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.sendto"}
    | {"socket.sendmsg"}
)
ORPHANED = 3


def main(folder: Path, memory_mib: int) -> None:
    """Make the report; what goes wrong on purpose is said, too."""
    tell = _teller()
    threading.Thread(target=_end_with_caller, daemon=True).start()
    sys.addaudithook(_no_network)
    warnings.simplefilter("ignore")  # divisions by zero of constant columns, hundreds of them
    order = Order(**json.loads((folder / ORDER).read_text("utf-8")))
    try:
        from monitor.evidently.building import build  # noqa: PLC0415 (takes seconds; the network is closed first)

        resource.setrlimit(resource.RLIMIT_AS, (memory_mib * 1024 * 1024, resource.RLIM_INFINITY))
        tell({"done": build(folder, order, lambda step: tell({"step": step}))})
    except BadInput as error:
        tell({"problem": str(error)})
    except Exception as error:  # noqa: BLE001 (whatever Evidently trips over is an answer to who asked)
        if isinstance(error, MemoryError) or "annot allocate memory" in str(error):
            tell({"memory": memory_mib})
        else:
            tell({"problem": f"Evidently could not make it ({type(error).__name__}: {str(error)[:500]})"})


def _teller() -> Any:
    """Standard output as it was; what libraries print goes to standard error instead."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def tell(what: dict[str, Any]) -> None:
        out.write(json.dumps(what, default=str) + "\n")
        out.flush()

    return tell


def _end_with_caller() -> None:
    sys.stdin.buffer.read()
    os._exit(ORPHANED)


def _no_network(event: str, _: Any) -> None:
    """Nothing of a report needs the network: an attempt fails at once instead of waiting for minutes."""
    if event in NETWORK:
        raise OSError(f"{event}: a report of Evidently is made without a network")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
