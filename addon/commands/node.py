"""Which Node a program runs on, and whether that Node's `fetch` can use a proxy."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

type Version = tuple[int, int]

# The first versions (major: minor) whose fetch reads HTTPS_PROXY, with NODE_USE_ENV_PROXY=1, which `run` and `env` set.
_WITH_PROXY: Final = {22: 21, 24: 5}
_WAIT_S: Final = 10.0


def node_version(node: str) -> Version | None:
    """Major and minor version of this program; None where it does not tell."""
    try:
        says = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=_WAIT_S).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.match(r"v(\d+)\.(\d+)", says)
    return (int(found[1]), int(found[2])) if found else None


def uses_proxy(version: Version) -> bool:
    major, minor = version
    return major > max(_WITH_PROXY) or (major in _WITH_PROXY and minor >= _WITH_PROXY[major])


def node_without_proxy(command: str) -> str | None:
    """`20.20` where this command is such a Node, or a script that starts with it; else None."""
    program, node = shutil.which(command), shutil.which("node")
    if program is None:
        return None
    if Path(program).name in ("node", "nodejs"):
        node = program
    elif node is None or not _is_node_script(Path(program)):
        return None
    version = node_version(node)
    return f"{version[0]}.{version[1]}" if version and not uses_proxy(version) else None


def _is_node_script(program: Path) -> bool:
    """Whether its first line names Node: `npm`, `npx`, `tsx` and agents that npm installs."""
    try:
        with program.open("rb") as file:
            first = file.readline(200)
    except OSError:
        return False
    return first.startswith(b"#!") and b"node" in first
