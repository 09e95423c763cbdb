"""Compiles JSON Schema 2020-12 to Python modules that a Lambda loads without a library."""

from infra.collections.schema.compiler import (
    compile_members,
    compile_operations,
    compile_schema,
    compile_value_schema,
    field_type,
)
from infra.collections.schema.metaschema import check_is_schema
from infra.collections.schema.reading import load_schema

__all__ = [
    "check_is_schema",
    "compile_members",
    "compile_operations",
    "compile_schema",
    "compile_value_schema",
    "field_type",
    "load_schema",
]
