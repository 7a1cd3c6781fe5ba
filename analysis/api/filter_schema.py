"""What OpenAPI says of filters: made of the same tables that read them."""

from collections.abc import Mapping
from typing import Any, Final

from analysis.api.filter_columns import Column, Kind, Table, Tables
from analysis.api.filters import NUMBER_TEXT, OPERATORS

Schema = Mapping[str, Any]

_VALUES: Final[Mapping[Kind, Schema]] = {
    Kind.TEXT: {"type": "string"},
    Kind.KEY: {"type": "string"},
    Kind.NUMBER: {"type": "number"},
    Kind.SCORE: {"anyOf": [{"type": "number"}, {"type": "boolean"}, {"type": "string", "pattern": NUMBER_TEXT}]},
    Kind.BOOLEAN: {"type": "boolean"},
    Kind.TIME: {"type": "string", "format": "date-time"},
}


def filter_schema(tables: Tables, component: str) -> Schema:
    """The schema of a filter over `tables`, which refers to itself as `component`."""
    own = {"$ref": f"#/components/schemas/{component}"}
    branch = {
        "type": "object",
        "properties": {"left": own, "operator": {"enum": ["and", "or"]}, "right": own},
        "required": ["left", "operator", "right"],
        "additionalProperties": False,
    }
    leaf = _object({name: _table(table) for name, table in tables.items()})
    return {"anyOf": [{"const": "all"}, leaf, branch], "description": "Helicone's filter: all, a condition, or a tree"}


def _table(table: Table) -> Schema:
    return _column(table) if isinstance(table, Column) else _object({name: _column(it) for name, it in table.items()})


def _column(column: Column) -> Schema:
    value = _VALUES[column.kind]
    tests = _object(dict.fromkeys(OPERATORS[column.kind], value))
    return {"type": "object", "additionalProperties": tests} if column.is_keyed else tests


def _object(properties: Mapping[str, Schema]) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False}
