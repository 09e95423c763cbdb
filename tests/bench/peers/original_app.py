"""The architecture that jobpipe replaced, as a Flask app: a request checks the name, stores the item, and answers.

The check scans the table. As in the original, two concurrent requests may both find that a name is free.
"""

from __future__ import annotations

import json
import sys
import uuid
from typing import Any

from flask import Flask, request
from werkzeug.serving import make_server

from tests.bench.peers.aws_calls import open_clients

app = Flask(__name__)
clients: dict[str, Any] = {}


def create(table: str) -> tuple[dict[str, Any], int]:
    """Create an item; answer 201 with it, or 409 if its name is taken."""
    item = {"id": str(uuid.uuid4()), **request.get_json()}
    pages = clients["dynamodb"].get_paginator("scan")
    for page in pages.paginate(
        TableName=table,
        FilterExpression="#name = :name",
        ExpressionAttributeNames={"#name": "name"},
        ExpressionAttributeValues={":name": {"S": item["name"]}},
    ):
        if page["Items"]:
            return {"error": "an item has this name"}, 409
    row = {
        "id": {"S": item["id"]},
        "name": {"S": item["name"]},
        "description": {"S": item["description"]},
        "price": {"N": str(item["price"])},
    }
    clients["dynamodb"].put_item(TableName=table, Item=row)
    clients["s3"].put_object(Bucket=table, Key=f"{item['id']}.json", Body=json.dumps(item).encode())
    return item, 201


app.add_url_rule("/<table>/items", view_func=create, methods=["POST"])


def main() -> None:
    """Print the port as a line, and serve."""
    clients.update(open_clients())
    server = make_server("127.0.0.1", 0, app, threaded=True)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
