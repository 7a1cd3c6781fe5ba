"""The Iceberg tables' schema, partition, sort order and properties, made of the record. Imports pyiceberg.

The Parquet files have no field ids: readers find the columns by the name mapping, a property of the table, and give NULL for
a column that an older file does not have.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import count
from typing import Any, Final

from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.sorting import SortField, SortOrder
from pyiceberg.transforms import DayTransform, IdentityTransform
from pyiceberg.types import (
    BooleanType,
    DoubleType,
    IcebergType,
    ListType,
    LongType,
    MapType,
    NestedField,
    StringType,
    TimestamptzType,
)

from addon.storage.lake import column_types, time_column

MARK: Final = "heliograph.table"  # a property of the tables that are ours; its value is the table's name
NAME_MAPPING: Final = "schema.name-mapping.default"
_PLAIN: Final[dict[Any, IcebergType]] = {
    str: StringType(),
    int: LongType(),
    float: DoubleType(),
    bool: BooleanType(),
    datetime: TimestamptzType(),
}


def field_type(kind: Any, ids: Iterator[int]) -> IcebergType:
    """`ids`: for the fields inside."""
    if kind == tuple[str, ...]:
        return ListType(element_id=next(ids), element_type=StringType(), element_required=False)
    if kind == dict[str, str]:
        keys, values = next(ids), next(ids)
        return MapType(
            key_id=keys, key_type=StringType(), value_id=values, value_type=StringType(), value_required=False
        )
    return _PLAIN[kind]


def schema_of(table: str) -> Schema:
    """Every column may be NULL. Ids in the order of the record, those of nested fields after them."""
    kinds = column_types(table)
    inner = count(len(kinds) + 1)
    fields = enumerate(kinds.items(), 1)
    return Schema(
        *(NestedField(number, name, field_type(kind, inner), required=False) for number, (name, kind) in fields)
    )


def partition_of(table: str, schema: Schema) -> PartitionSpec:
    """By the day of the rows' time, in UTC, as the folders of the lake are."""
    time = schema.find_field(time_column(table))
    return PartitionSpec(PartitionField(time.field_id, 1000, DayTransform(), f"{time.name}_day"))


def sort_order_of(table: str, schema: Schema) -> SortOrder:
    return SortOrder(SortField(schema.find_field(time_column(table)).field_id, IdentityTransform()))


def properties_of(table: str, schema: Schema) -> dict[str, str]:
    return {
        MARK: table,
        NAME_MAPPING: schema.name_mapping.model_dump_json(),
        "write.metadata.delete-after-commit.enabled": "true",
        "write.metadata.previous-versions-max": "20",
        "commit.retry.num-retries": "0",  # a conflict is planned anew: see iceberg_commit.py
        "commit.manifest.min-count-to-merge": "30",
        # Bounds of long texts are cut at 16 characters by default; bodies need none.
        **({"write.metadata.metrics.default": "counts"} if table == "bodies" else {}),
        **({f"write.metadata.metrics.column.{time_column(table)}": "full"} if table == "bodies" else {}),
    }
