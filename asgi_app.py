"""The `app` process: `uvicorn asgi_app:app --host 127.0.0.1 --port 8501`. It serves the pages and holds no data."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from streamlit.runtime.pages_manager import PagesManager

# Until Home.py has run once, Streamlit would serve each file of pages/ by itself: a way around every check in it.
PagesManager.uses_pages_directory = False

HOME = Path(__file__).with_name("Home.py")


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[dict[str, Any]]:
    """Load what every page needs, then take it out of the sight of the garbage collector."""
    import monitor.ui.pages  # noqa: F401, PLC0415  pandas, pyarrow, numpy and our own modules, before the first visitor comes

    gc.collect()
    gc.freeze()
    yield {}


async def healthz(_: Request) -> JSONResponse:
    """Alive: this process answers. Whether the api does is shown on the pages."""
    return JSONResponse({"status": "ok"})


app = st.App(HOME, lifespan=lifespan, routes=[Route("/healthz", healthz)])
