"""The section `[iceberg]` of `heliograph.toml`. As in models.py."""

from typing import Annotated

from pydantic import AfterValidator, Field, Strict

from addon.config.iceberg import Iceberg, checked_namespace
from addon.config.section import Section
from addon.config.values import says, text_opened_by, text_with_variables

_DEFAULTS = Iceberg(catalog="")


_catalog = text_opened_by(lambda text, environ: Iceberg(catalog=text).opened_catalog(environ))


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
