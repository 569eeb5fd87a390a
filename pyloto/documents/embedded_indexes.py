"""The indexes of the embedded table: one for each shape of query, over the same expressions as `embedded_query` uses.

Each is partial, for the documents of its collection that have all its fields: what waits nowhere is in no index of what
waits, however long the history.
"""

import hashlib
from typing import Any

from django.db import connections

from .embedded_query import collection_condition, key, name_key
from .indexes import Shape
from .port import DOCUMENT_ID
from .shapes import SHAPES

PREFIX = "documents_shape_"


def create_missing(using: str) -> None:
    """Bring the table's indexes in line with `SHAPES`."""
    wanted = {name: sql for name, sql in (definition(shape) for shape in SHAPES) if sql}
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND name LIKE %s", [f"{PREFIX}%"])
        present = {name for (name,) in cursor.fetchall()}
        for name in present - wanted.keys():
            cursor.execute(f"DROP INDEX {name}")
        for name in wanted.keys() - present:
            cursor.execute(wanted[name])


def definition(shape: Shape) -> tuple[str, str]:
    """Name and SQL of the shape's index; no SQL where the table's own indexes will do."""
    equal = [field for field, operator in shape.where if operator in {"==", "in"} and field != DOCUMENT_ID]
    order = [(field, direction) for field, direction in shape.order_by if field not in {*equal, DOCUMENT_ID}]
    fields = [*equal, *(field for field, _ in order)]
    if not fields and not shape.group:
        return "", ""
    last = shape.order_by[-1][1] if shape.order_by else "asc"
    columns = [
        *([] if shape.group else ["parent"]),
        *(key(field) for field in equal),
        *(f"{key(field)} {direction.upper()}" for field, direction in order),
        f"{name_key(group=shape.group)} {last.upper()}",
    ]
    conditions = [collection_condition(shape.collection_id), *(f"{key(field)} IS NOT NULL" for field in fields)]
    body = f"ON documents_document ({', '.join(columns)}) WHERE {' AND '.join(conditions)}"
    name = PREFIX + hashlib.sha256(body.encode()).hexdigest()[:12]
    return name, f"CREATE INDEX {name} {body}"


def after_migrate(*, using: str, **kwargs: Any) -> None:
    """Receiver of `post_migrate`."""
    if using == "documents":
        create_missing(using)
