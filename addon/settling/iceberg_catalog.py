"""Opens an Iceberg catalog, and says in a person's words why it does not work. Imports pyiceberg where it is needed."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from addon.config.iceberg import Iceberg, kind_of, shown_catalog
from addon.objects.store import endpoint_of, is_url
from addon.storage.folders import Folders, make_folder

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

_NAME: Final = "heliograph"  # of the catalog, where a database keeps several


class CatalogTrouble(Exception):
    """The catalog, or the store of the tables' metadata, did not do it. Says what was wrong and what to do."""


def shown(chosen: Iceberg, environ: Mapping[str, str]) -> str:
    """The catalog and the namespace, for messages: without passwords."""
    try:
        return f"{shown_catalog(chosen.opened_catalog(environ))}, {chosen.namespace}"
    except ValueError:
        return f"{chosen.catalog.partition('://')[0]}, {chosen.namespace}"


def open_catalog(chosen: Iceberg, environ: Mapping[str, str]) -> "Catalog":
    """Raises CatalogTrouble."""
    try:
        from pyiceberg.catalog import load_catalog
    except ImportError as error:
        raise CatalogTrouble(
            "the tables need the extra iceberg; install it: pip install 'heliograph[iceberg]'"
        ) from error
    try:
        catalog, properties = chosen.opened_catalog(environ), chosen.opened_properties(environ)
        kind = kind_of(catalog)
        given = {"type": str(kind), **_of_environment(environ), **properties}
        if kind != "glue":
            given["uri"] = catalog
        if kind == "rest" and chosen.warehouse:
            given["warehouse"] = chosen.warehouse
        return load_catalog(_NAME, **given)
    except Exception as error:
        raise in_words(error, chosen, environ) from error


def checked_catalog(chosen: Iceberg, environ: Mapping[str, str]) -> None:
    """Asks the catalog something. Raises CatalogTrouble."""
    try:
        open_catalog(chosen, environ).namespace_exists(chosen.namespace)
    except Exception as error:  # each catalog has errors of its own
        raise in_words(error, chosen, environ) from error


def location_of(chosen: Iceberg, folders: Folders, lake: str | None, table: str) -> str | None:
    """Where a new table's metadata goes; None: where the catalog puts it. Raises OSError."""
    kind = kind_of(chosen.catalog)
    if kind == "rest" or (kind == "glue" and not chosen.warehouse and not lake):
        return None
    if chosen.warehouse:
        return f"{chosen.warehouse.rstrip('/')}/{chosen.namespace}/{table}"
    if lake:
        return f"{lake}/iceberg/{chosen.namespace}/{table}"
    folder = folders.iceberg.absolute() / "tables" / chosen.namespace / table
    make_folder(folder)
    return f"file://{folder}"


def checked_lake(lake: str) -> None:
    """Raises CatalogTrouble for a lake whose files a table cannot name."""
    if lake.startswith("az://"):
        raise CatalogTrouble(
            f'{lake}: Iceberg names files on Azure by "abfss://container@account.dfs.core.windows.net/..."; write lake so'
        )
    if not is_url(lake) and re.search(r"[?#%]", lake):
        raise CatalogTrouble(
            f"{lake}: readers of Iceberg tables do not find files below a folder with ?, # or % in its name"
        )


def _of_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The store that the lake is in and the region of Glue, where they are told by variables that Arrow and boto3 do not
    read: obstore reads AWS_REGION, boto3 AWS_DEFAULT_REGION only."""
    endpoint = endpoint_of("s3", environ)
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    found = {"s3.endpoint": endpoint, "s3.region": region, "glue.region": region}
    return {name: value for name, value in found.items() if value}


_WORDS: Final = (  # what stands in the error, and what we say
    (r"UnauthorizedError|\b401\b|OAuthError|UnrecognizedClient|InvalidSignature", "it refuses these credentials"),
    (
        r"ForbiddenError|\b403\b|AccessDenied|ACCESS_DENIED|permission denied|readonly database",
        "these credentials may not do that there",
    ),
    (r"ExpiredToken|AuthorizationExpired|\b419\b", "the credentials have expired; renew them"),
    (
        r"RequestTimeTooSkewed|REQUEST_TIME_TOO_SKEWED",
        "the clock of this machine is wrong, so it is refused; set the clock",
    ),
    (r"INVALID_ACCESS_KEY_ID|InvalidAccessKeyId", "the store does not know this access key; correct AWS_ACCESS_KEY_ID"),
    (r"SIGNATURE_DOES_NOT_MATCH|SignatureDoesNotMatch", "the secret key does not fit the access key"),
    (r"NO_SUCH_BUCKET|NoSuchBucket", "there is no such bucket for the tables' metadata"),
    (r"unable to open database file", "its database file cannot be opened; make its folder, or correct the path"),
    (r"database is locked", "its database is used by others; trying again"),
    (r"password authentication failed|Access denied for user", "its database refuses this user or password"),
    (r"No module named|NotInstalledError|Can't load plugin", "a Python package is missing for it"),
    (r"NoRegionError", "it names no region; set AWS_REGION"),
    (
        r"ConnectionError|ConnectTimeout|ReadTimeout|Connection refused|could not connect|NETWORK_CONNECTION|EndpointConnection"
        r"|could not translate host name|Name or service not known",
        "it cannot be reached",
    ),
)


def in_words(error: BaseException, chosen: Iceberg, environ: Mapping[str, str]) -> CatalogTrouble:
    """The message never shows the catalog's password."""
    if isinstance(error, CatalogTrouble):
        return error
    text = f"{type(error).__name__}: {error}"
    first = _without_secrets(text.partition("\n")[0][:300], chosen, environ)
    words = next((words for pattern, words in _WORDS if re.search(pattern, text)), None)
    return CatalogTrouble(f"{shown(chosen, environ)}: {f'{words} ({first})' if words else first}")


def _without_secrets(text: str, chosen: Iceberg, environ: Mapping[str, str]) -> str:
    named = " ".join((chosen.catalog, *chosen.properties.values()))
    for name in set(re.findall(r"\$\{?(\w+)", named)):
        if value := environ.get(name):
            text = text.replace(value, "***")
    return re.sub(r"://[^/\s@]+@", "://***@", text)
