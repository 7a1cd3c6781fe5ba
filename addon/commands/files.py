"""Files of a person that a command changes: whole or not at all, and only where there is something to change."""

import os
from pathlib import Path


def replace_file(path: Path, content: bytes, mode: int = 0o600) -> None:
    """All of it or nothing, whenever the machine stops. A link stays a link, and a file keeps its permissions. `mode`: of a
    new one. Raises OSError."""
    target = path.resolve()
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(descriptor, target.stat().st_mode & 0o777 if target.exists() else mode)
            os.fsync(descriptor)
        fresh.replace(target)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def write_if_different(path: Path, content: bytes, mode: int = 0o644) -> bool:
    """Writes a file, with its folder; whether there was anything to change. Raises OSError."""
    if path.exists() and path.read_bytes() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, content, mode)
    return True
