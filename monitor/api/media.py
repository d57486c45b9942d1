"""Images over HTTP: kept by their content when they are sent, answered by their SHA-256."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from monitor.api import docs
from monitor.api.receive import Reading, announced, kind_of, read_body
from monitor.config import Settings
from monitor.errors import UnsupportedMedia
from monitor.store.owner import StoreOwner

UPLOADS = 8
"""So many of the largest images may be read at once."""

ADVICE = "save the image smaller, or raise WATCHPOINT_MAX_IMAGE_BYTES"
HEADERS = {
    "Cache-Control": "private, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-site",
}


def add_media(app: FastAPI, settings: Settings, owner: StoreOwner) -> None:
    """The routes of the media store."""
    reading = Reading(UPLOADS * settings.max_image_bytes)

    async def post_media(request: Request) -> dict[str, Any]:
        """Keep an image file: PNG, JPEG, WebP, GIF, BMP or TIFF, as the body. The same file twice is kept once."""
        kind = kind_of(request)
        if kind != "application/octet-stream" and not kind.startswith("image/"):
            raise UnsupportedMedia(
                f"Content-Type {kind or '(none)'!r} is not read; send the file as the body, "
                "with application/octet-stream or its image type"
            )
        limit = settings.max_image_bytes
        with reading.hold(announced(request, limit, ADVICE)):
            body = await read_body(request, limit, ADVICE)
            media = await run_in_threadpool(owner.media.keep, body)
        return media.as_dict()

    async def get_media(sha256: str, request: Request) -> Response:
        """An image as it was sent; counts as a use, which keeps it for as long as raw predictions are kept."""
        tag = f'"{sha256}"'
        media, content = await run_in_threadpool(owner.media.read, sha256)
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=HEADERS | {"ETag": tag})
        return Response(content, headers=HEADERS | {"ETag": tag}, media_type=media.mime)

    app.add_api_route(
        "/api/v1/media",
        post_media,
        methods=["POST"],
        openapi_extra=docs.MEDIA_BODY,
        responses=docs.MEDIA_RESPONSES,
        tags=["media"],
    )
    app.add_api_route(
        "/api/v1/media/{sha256}",
        get_media,
        methods=["GET"],
        response_class=Response,
        responses=docs.MEDIA_RESPONSES,
        tags=["media"],
    )
