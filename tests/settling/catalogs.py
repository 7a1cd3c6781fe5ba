"""Iceberg catalogs for tests: a SQLite file, or a REST catalog that runs already.

`HELIOGRAPH_TEST_CATALOG` names one, as JSON with what `[iceberg]` has: `{"catalog": "http://...", "warehouse": ..., "namespace": ...,
"properties": {...}}`. Each test has a namespace of its own below that namespace.
"""

import os
import uuid
from pathlib import Path
from typing import Any

import orjson

from addon.config.iceberg import Iceberg


def catalog_for(tmp_path: Path) -> Iceberg:
    given: dict[str, Any] = orjson.loads(os.environ.get("HELIOGRAPH_TEST_CATALOG", "{}"))
    if not given:
        return Iceberg(catalog=f"sqlite:///{tmp_path}/catalog.db")
    own = f"t{uuid.uuid4().hex[:12]}"
    namespace = f"{given['namespace']}.{own}" if given.get("namespace") else own
    return Iceberg(**given | {"namespace": namespace})


def as_settings(chosen: Iceberg) -> str:
    """The section of heliograph.toml that says the same."""
    properties = ", ".join(f'"{name}" = "{value}"' for name, value in chosen.properties.items())
    warehouse = f'warehouse = "{chosen.warehouse}"\n' if chosen.warehouse else ""
    return (
        f'[iceberg]\ncatalog = "{chosen.catalog}"\nnamespace = "{chosen.namespace}"\n{warehouse}'
        f"properties = {{ {properties} }}\n"
    )
