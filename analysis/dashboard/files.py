"""The static files: style sheets, scripts, and what others wrote, each under an address that has its content's hash."""

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from analysis.dashboard.state import BASE
from analysis.faces.palette import NAMED

FOLDER: Final = Path(__file__).with_name("static")
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_PALETTE: Final = "palette.css"  # made of analysis/faces/palette.py


@cache
def contents() -> dict[str, bytes]:
    """Every file by its name below `static/`."""
    found = {str(file.relative_to(FOLDER)): file.read_bytes() for file in FOLDER.rglob("*") if file.suffix in _TYPES}
    return found | {_PALETTE: _palette().encode()}


@cache
def address(name: str) -> str:
    """Where a page finds the file: a changed file has another address."""
    return f"{BASE}/static/{sha256(contents()[name]).hexdigest()[:12]}/{name}"


def routes() -> list[Route]:
    async def file(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in contents() or not address(name).startswith(f"{BASE}/static/{request.path_params['version']}/"):
            raise HTTPException(404, "no such file")
        return Response(contents()[name], media_type=_TYPES[Path(name).suffix])

    return [Route("/static/{version}/{name:path}", file)]


def _palette() -> str:
    """The colours as variables: by the system's setting, or as the person switched it (`data-theme`)."""
    light = "".join(f"--{name}:{colour.light};" for name, colour in NAMED.items())
    dark = "".join(f"--{name}:{colour.dark};" for name, colour in NAMED.items())
    return f"""/* Made of analysis/faces/palette.py. */
:root{{color-scheme:light;{light}}}
@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}
:root[data-theme=dark]{{color-scheme:dark;{dark}}}
@media print{{:root:root,:root[data-theme=dark]{{color-scheme:light;{light}}}}}
"""
