"""Where the data and the settings are, and the usual address. Apart from settings.py, which most commands need only where there
is a settings file: it takes longer to import than they run."""

import os
import sys
from pathlib import Path
from typing import Final

from addon.objects.stand_in import stand_in
from addon.objects.store import is_nearly_url, is_url

APP_NAME: Final = "heliograph"
CONFIG_NAME: Final = "heliograph.toml"
CONFIG_VARIABLE: Final = "HELIOGRAPH_CONFIG"  # a file or a URL, as --config
DEFAULT_LISTEN: Final = "127.0.0.1:8787"
BUNDLE_NAME: Final = "heliograph-ca-bundle.pem"


def data_folder(option: str | Path | None = None) -> Path:
    """Where everything is kept: `option`, else $HELIOGRAPH_DATA, else the platform's folder for user data. For the URL of a
    lake in a bucket the folder that stands for it. Raises ValueError for a URL of something else."""
    if named := option or os.environ.get("HELIOGRAPH_DATA"):
        if is_url(str(named)):
            return stand_in(str(named))
        if is_nearly_url(str(named)):
            raise ValueError(
                f'{str(named)!r} is neither a folder nor the URL of a bucket; write e.g. "s3://bucket/prefix"'
            )
        return Path(named).expanduser().absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / APP_NAME
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / APP_NAME
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / APP_NAME
