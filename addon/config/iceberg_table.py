"""The section `[iceberg]` of `heliograph.toml`. As in models.py."""

from typing import Annotated

from pydantic import AfterValidator, Field, Strict, ValidationInfo

from addon.config.iceberg import Iceberg, checked_namespace
from addon.config.section import Section
from addon.config.values import says, text_with_variables
from addon.sending.fallbacks import variables_in

_DEFAULTS = Iceberg(catalog="")


def _catalog(catalog: str, info: ValidationInfo) -> str:
    environ = (info.context or {}).get("environ")
    variables_in(catalog)  # a lone $
    if environ is not None or "$" not in catalog:
        Iceberg(catalog=catalog).opened_catalog(environ or {})
    return catalog


class IcebergTable(Section):
    """
    [iceberg]
    catalog = "postgresql+psycopg://heliograph:$CATALOG_PASSWORD@db.example.org/catalog"
    """

    catalog: Annotated[
        str, Strict(), AfterValidator(_catalog), says('is not a text; write e.g. catalog = "sqlite:////srv/catalog.db"')
    ] = Field(
        description="Where the tables are registered: a database as SQLAlchemy names it, the URL of a REST catalog, or"
        ' `"glue"`. `$NAME` is that environment variable.'
    )
    namespace: Annotated[str, Strict(), AfterValidator(checked_namespace), says("is not a text")] = Field(
        default=_DEFAULTS.namespace, description="Of the tables."
    )
    warehouse: Annotated[str, Strict(), says("is not a text")] | None = Field(
        default=None,
        description="Where the tables' own metadata is put, of a REST catalog the warehouse's name. Left out: the folder"
        " `iceberg` beside the lake; a REST or Glue catalog chooses by itself.",
    )
    properties: dict[str, Annotated[str, Strict(), AfterValidator(text_with_variables), says("is not a text")]] = Field(
        default={},
        description="More for pyiceberg, in its names, e.g. `credential`; `$NAME` in a value is that environment variable.",
    )

    def made(self) -> Iceberg:
        return Iceberg(**self.model_dump())
