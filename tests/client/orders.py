"""The collection "orders" of the service in memory, as its OpenAPI document describes it."""

from __future__ import annotations

from typing import Any

ORDER: dict[str, Any] = {
    "type": "object",
    "required": ["number"],
    "additionalProperties": False,
    "properties": {
        "number": {"type": "string", "pattern": "^[0-9A-Z-]+$"},
        "invoice": {"type": "integer"},
        "customer": {"type": "string"},
        "status": {"enum": ["open", "paid", "shipped"]},
        "carrier": {"type": "string"},
        "total": {"type": "number"},
        "gift": {"type": "boolean"},
        "ordered": {"type": "string", "format": "date"},
        "note": {"type": ["string", "null"]},
        "lines": {"type": "array", "items": {"$ref": "#/components/schemas/OrderLine"}},
        "address": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
LINE = {
    "type": "object",
    "properties": {"article": {"type": "string"}, "count": {"type": "integer"}},
    "required": ["article"],
}
NEW_ITEM = {
    "type": "object",
    "required": ["name", "description"],
    "properties": {"name": {"type": "string"}, "description": {"type": "string"}},
}
CONTRACT: dict[str, Any] = {
    "openapi": "3.1.1",
    "components": {"schemas": {"Order": ORDER, "OrderLine": LINE, "NewItem": NEW_ITEM}},
    "x-jobpipe-collections": {
        "items": {
            "title": "Item", "key": None, "unique": ["name"], "indexes": [], "access": "shared",
            "types": {}, "schema": {"$ref": "#/components/schemas/NewItem"}, "operations": {},
        },
        "orders": {
            "title": "Order", "key": "number", "unique": ["invoice"], "indexes": ["customer"], "access": "shared",
            "types": {"number": "string", "invoice": "integer", "customer": "string"},
            "schema": {"$ref": "#/components/schemas/Order"},
            "operations": {
                "ship": {
                    "description": "Ship a paid order.",
                    "takes": {"carrier": {"type": "string", "minLength": 1}},
                    "optional": {"parcels": {"type": "integer"}, "insured": {"type": "boolean"}},
                },
            },
        },
    },
}  # fmt: skip
