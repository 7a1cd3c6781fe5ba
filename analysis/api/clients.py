"""The clients that programs take with them, as files."""

from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

import addon.clients
from analysis.api.openapi import documented
from analysis.api.state import Api

_FOLDER: Final = Path(addon.clients.__file__).parent
_TYPES: Final = {"heliograph.mjs": "text/javascript", "heliograph_client.py": "text/x-python"}


def routes(_: Api) -> list[Route]:
    return [_file(name, kind) for name, kind in _TYPES.items()]


def _file(name: str, kind: str) -> Route:
    def serve(_: Request) -> Response:
        return FileResponse(_FOLDER / name, media_type=kind, headers={"cache-control": "no-cache"})

    content = {"200": {"description": "The file", "content": {kind: {"schema": {"type": "string"}}}}}
    return documented(f"/{name}", serve, method="GET", summary=f"The client {name}", replaced={"responses": content})
