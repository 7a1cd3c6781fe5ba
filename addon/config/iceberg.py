"""The Apache Iceberg catalog that has the calls as tables: `[iceberg]` in heliograph.toml."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from addon.sending.fallbacks import with_quoted_variables, with_variables

DATABASES: Final = ("sqlite", "postgresql", "mysql", "mariadb")  # SQLAlchemy's names; `+driver` may follow
_EXAMPLES: Final = (
    'write e.g. "sqlite:////srv/catalog.db", "postgresql+psycopg://heliograph:$PASSWORD@db.example.org/catalog",'
    ' "https://catalog.example.org" or "glue"'
)
_NAMESPACE: Final = re.compile(r"[a-z0-9_]{1,100}(\.[a-z0-9_]{1,100}){0,5}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Iceberg:
    catalog: str = field(repr=False)  # `$NAME` in it is that environment variable
    namespace: str = "heliograph"
    warehouse: str | None = (
        None  # as the catalog means it; None: beside the lake, or where a REST or Glue catalog puts it
    )
    properties: Mapping[str, str] = field(default_factory=dict, repr=False)  # for pyiceberg; `$NAME` is that variable

    def opened_catalog(self, environ: Mapping[str, str]) -> str:
        """With its variables replaced: percent-encoded where they are a part of it, as they are where the whole text is one.
        Raises ValueError where a variable is not set, or the text is not a catalog."""
        return checked_catalog(with_quoted_variables(self.catalog, environ))

    def opened_properties(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Raises ValueError where a variable is not set."""
        return {name: with_variables(value, environ) for name, value in self.properties.items()}


def kind_of(catalog: str) -> str | None:
    """pyiceberg's name of this kind of catalog: sql, rest or glue. None: it is not one that is known here."""
    if catalog == "glue":
        return "glue"
    scheme, found, _ = catalog.partition("://")
    if found and scheme in ("http", "https"):
        return "rest"
    return "sql" if found and scheme.partition("+")[0] in DATABASES else None


def checked_catalog(catalog: str) -> str:
    """Raises ValueError; the message does not show the text, which may have a password in it."""
    kind = kind_of(catalog)
    if kind is None:
        raise ValueError(f"it is not a catalog; {_EXAMPLES}")
    try:
        parts = urlsplit(catalog)
        is_sqlite = parts.scheme.startswith("sqlite")
        if kind != "glue" and not is_sqlite and not parts.hostname:
            raise ValueError(f"it names no host; {_EXAMPLES}")
        if is_sqlite and not parts.path.startswith("//"):
            raise ValueError('its path is not absolute; write four slashes, e.g. "sqlite:////srv/catalog.db"')
    except ValueError as error:
        if "write" in str(error):
            raise
        raise ValueError(f"it is not a URL ({error}); {_EXAMPLES}") from error
    return catalog


def checked_namespace(namespace: str) -> str:
    """Raises ValueError."""
    if _NAMESPACE.fullmatch(namespace) is None:
        raise ValueError(f"{namespace!r} is not a namespace; use a-z, 0-9, _ and dots between levels")
    return namespace


def shown_catalog(catalog: str) -> str:
    """Without user, password and options, for messages."""
    parts = urlsplit(catalog)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}" if parts.scheme else catalog
