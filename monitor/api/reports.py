"""Full reports of drift over HTTP: asked for with `POST /api/v1/drift-reports`, and shown or downloaded as files."""

from typing import Any, Literal

import msgspec
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from monitor.api import docs
from monitor.api.receive import check_json, read_body
from monitor.config import Settings
from monitor.errors import BadInput
from monitor.evidently.making import compared
from monitor.queries import Ask, ask
from monitor.store import reports
from monitor.store.owner import StoreOwner
from monitor.store.results import write

MOST_BODY = 64 * 1024
HEADERS = {
    "Cache-Control": "private, max-age=3600",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-site",
    "Referrer-Policy": "no-referrer",
}
DRAWS_ITSELF = (
    "sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
)
"""Its own inline script may draw it and save a picture of a chart; it has no origin, no cookies and no network."""


class Wanted(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A report that somebody wants. Times are RFC 3339, or relative such as -24h; no reference: the one in force."""

    deployment: str
    source: str = "production"
    start: str
    end: str
    reference: str = ""
    reference_start: str | None = None
    reference_end: str | None = None
    reference_deployment: str = ""
    preset: Literal["drift", "summary", "text", "all"] = "drift"
    features: list[str] = []
    sample: int = 20_000
    seed: int = 0
    asked_by: str


def add_reports(app: FastAPI, settings: Settings, owner: StoreOwner) -> None:
    """The routes of reports."""

    async def post_report(request: Request) -> dict[str, Any]:
        """Ask for a report; the job `evidently` makes it. The same one that waits or is being made is told."""
        check_json(request)
        body = await read_body(request, min(MOST_BODY, settings.max_body_bytes), "name fewer features")
        return await run_in_threadpool(_ask, owner, body)

    async def get_page(id: str) -> Response:  # noqa: A002
        """A report as a page that needs nothing else; in an iframe or by itself."""
        content = await run_in_threadpool(_read, owner, id, reports.HTML)
        named = {"Content-Disposition": f'inline; filename="drift-{id}.html"', "Content-Security-Policy": DRAWS_ITSELF}
        return Response(content, headers=HEADERS | named, media_type="text/html; charset=utf-8")

    async def get_json(id: str) -> Response:  # noqa: A002
        """The figures of a report: what Evidently writes, and under `watchpoint` what was compared."""
        content = await run_in_threadpool(_read, owner, id, reports.JSON)
        named = {
            "Content-Disposition": f'inline; filename="drift-{id}.json"',
            "Content-Security-Policy": "default-src 'none'; sandbox",
        }
        return Response(content, headers=HEADERS | named, media_type="application/json")

    app.add_api_route(
        "/api/v1/drift-reports",
        post_report,
        methods=["POST"],
        response_model=None,
        openapi_extra=docs.result_body(Wanted),
        responses=docs.RESULT_RESPONSES,
        tags=["results"],
    )
    for kind, get in ((reports.HTML, get_page), (reports.JSON, get_json)):
        app.add_api_route(
            f"/api/v1/drift-reports/{{id}}{kind}",
            get,
            methods=["GET"],
            response_class=Response,
            responses=docs.QUERY_RESPONSES,
            tags=["results"],
        )


def _ask(owner: StoreOwner, body: bytes) -> dict[str, Any]:
    try:
        wanted = msgspec.json.decode(body, type=Wanted)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"drift-reports: {error}") from None
    names = ("deployment", "source", "start", "end", "reference", "reference_start", "reference_end")
    asked = {name: getattr(wanted, name) for name in (*names, "reference_deployment")}
    with owner.cursor() as con:
        sides = ask("drift_report_sides", asked, Ask(con, owner.fleet, owner.clock())).to_pylist()
    told = compared(wanted.source, sides)
    told |= {name: getattr(wanted, name) for name in ("preset", "features", "sample", "seed", "asked_by")}
    return write(owner, "drift-report-ask", msgspec.json.encode(told))


def _read(owner: StoreOwner, id_: str, kind: str) -> bytes:
    with owner.cursor() as con:
        return reports.read_file(con, id_, kind)
