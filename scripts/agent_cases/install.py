"""Installs a client's packages into a cache folder, and tells its version. Only npm and PyPI are asked."""

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from scripts.agent_cases.model import Client

NODE_MAJOR: Final = 24  # from 24.5 its fetch knows HTTPS_PROXY; older npm versions choose old releases of agents
INSTALL_S: Final = 900
_STAMP: Final = "heliograph-stamp"


class NotInstalled(Exception):
    """Why a client could not be installed."""


def node_folder(cache: Path) -> Path:
    """The folder with a `node` of our choice: npm's package of it has no install script, only the program."""
    system = {"Linux": "linux", "Darwin": "darwin"}.get(platform.system())
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine().lower())
    if not (system and machine):
        raise NotInstalled(f"npm has no package of node for {platform.system()} on {platform.machine()}")
    package = f"node-{'bin-' if system == 'darwin' and machine == 'arm64' else ''}{system}-{machine}"
    home = cache / "node"
    programs = home / "node_modules" / package / "bin"
    if not programs.exists():
        _npm(home, [f"{package}@{NODE_MAJOR}", "--ignore-scripts"], dict(os.environ))
    return programs


def install(client: Client, cache: Path) -> Path:
    """The folder of the client's programs. Installed once; delete the cache for newer versions."""
    home = (
        cache / client.registry / "+".join(client.packages).replace("/", "_")
    )  # shared by clients of the same packages
    programs = home / ("node_modules/.bin" if client.registry == "npm" else "bin")
    stamp = home / _STAMP
    if stamp.exists() and stamp.read_text() == " ".join(client.packages):
        return programs
    shutil.rmtree(home, ignore_errors=True)
    if client.registry == "npm":
        path = f"{node_folder(cache)}{os.pathsep}{os.environ['PATH']}"  # npm obeys the `engines` of packages
        _npm(home, list(client.packages), {**os.environ, "PATH": path})
    else:
        _uv("venv", "--quiet", "--python", _python(client), str(home))
        _uv("pip", "install", "--quiet", "--python", str(programs / "python"), *client.packages)
    stamp.write_text(" ".join(client.packages))
    return programs


def version(client: Client, programs: Path) -> str:
    """Of the client's first package, as it was installed."""
    if client.registry == "npm":
        manifest = programs.parent / client.package / "package.json"
        return str(json.loads(manifest.read_text())["version"])
    asked = f"import importlib.metadata as m; print(m.version({client.package!r}))"
    told = subprocess.run([programs / "python", "-c", asked], capture_output=True, text=True, check=True)
    return told.stdout.strip()


def _npm(folder: Path, arguments: list[str], environ: dict[str, str]) -> None:
    npm = shutil.which("npm")
    if not npm:
        raise NotInstalled("there is no npm here")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text("{}")  # else npm may take a folder above for the project
    _run([npm, "install", "--no-audit", "--no-fund", *arguments], environ, folder)


def _uv(*arguments: str) -> None:
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if not uv:
        raise NotInstalled("there is no uv here; scripts/setup installs it")
    environ = {**os.environ, "UV_PYTHON_DOWNLOADS": "never", "UV_SYSTEM_CERTS": "true", "UV_CONCURRENT_DOWNLOADS": "2"}
    environ.pop("VIRTUAL_ENV", None)
    _run([uv, *arguments], environ)


def _run(command: list[str], environ: dict[str, str], folder: Path | None = None) -> None:
    nice = ["nice", "-n", "10"] if shutil.which("nice") else []
    try:
        subprocess.run(
            [*nice, *command], env=environ, cwd=folder, capture_output=True, text=True, timeout=INSTALL_S, check=True
        )
    except subprocess.CalledProcessError as error:
        raise NotInstalled(" ".join(error.stderr.split())[-300:]) from error
    except subprocess.TimeoutExpired as error:
        raise NotInstalled(f"{command[0]} did not end in {INSTALL_S} s") from error


def _python(client: Client) -> str:
    """A Python that the client's packages work with: this one, or one of the given version."""
    if not client.python:
        return sys.executable
    name = f"python{client.python}"
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    found: list[Path | str | None] = [
        *sorted(pyenv.glob(f"{client.python}.*/bin/{name}"), reverse=True),
        shutil.which(name),
    ]
    for candidate in (each for each in found if each):
        # A shim of pyenv is there and does not start.
        if subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
            return str(candidate)
    raise NotInstalled(f"its packages need Python {client.python} or older, and there is none here")
