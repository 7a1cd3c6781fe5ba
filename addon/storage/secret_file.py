"""Files with a secret of ours: 32 random bytes, made once, 0600."""

import os
import secrets
from pathlib import Path

from addon.storage.folders import open_file


def secret_in(path: Path) -> bytes:
    """What the file holds; it is made where there is none, and of several processes that do so all get the same. Raises
    OSError."""
    try:
        with os.fdopen(open_file(path), "rb") as file:
            return file.read()
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}-{os.getpid()}")
        descriptor = os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(32))
        try:
            os.link(fresh, path)  # fails if another process was first: then its secret is ours
        except FileExistsError:
            return path.read_bytes()
        finally:
            fresh.unlink()
        return path.read_bytes()
