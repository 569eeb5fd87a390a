"""Which indexes the queries need. `shapes.py` lists the queries; both databases get their indexes from that list.

`python -m pyloto.documents.indexes > firestore.indexes.json` writes Firestore's; the embedded table gets its own after
each `migrate` (`embedded_indexes`). Rules: Firestore, "Index types" and "Index merging": fields are indexed by
themselves in each collection, so a query needs an index of its own where it combines an order or a range with another
field, or searches a collection group.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .port import DOCUMENT_ID, Direction, Operator, Query
from .queries import effective_order

Part = tuple[str, Direction | Literal["contains"]]


@dataclass(frozen=True, order=True)
class Shape:
    """What of a query decides on its index: the fields and operators, not the values."""

    collection_id: str
    where: tuple[tuple[str, Operator], ...] = ()
    order_by: tuple[tuple[str, Direction], ...] = ()
    group: bool = False


@dataclass(frozen=True, order=True)
class Index:
    """An index that Firestore has to be told of. One of a single part is needed by a collection group only."""

    collection_id: str
    group: bool
    parts: tuple[Part, ...]


def shape_of(query: Query) -> Shape:
    """The order is that of the results, without the document id where it only breaks ties."""
    order = effective_order(query)
    if order[-1][1] == (order[-2][1] if len(order) > 1 else "asc"):
        order = order[:-1]
    where = tuple(sorted({(field, operator) for field, operator, _ in query.where}))
    return Shape(query.collection.rpartition("/")[2], where, order, query.group)


def required(shape: Shape) -> set[Index]:
    """The indexes without which Firestore would refuse the query."""
    equal = sorted(field for field, operator in shape.where if operator in {"==", "in"} and field != DOCUMENT_ID)
    contained = [field for field, operator in shape.where if operator == "array-contains"]
    order = [(field, direction) for field, direction in shape.order_by if field not in equal]
    parts: list[Part] = [(field, "asc") for field in equal]
    if not contained and not order:  # the indexes of the single fields are merged
        return {Index(shape.collection_id, True, (part,)) for part in parts} if shape.group else set()
    parts += [(field, "contains") for field in contained]
    parts += order
    if len(parts) == 1 and not (shape.group and parts[0][0] != DOCUMENT_ID):
        return set()
    return {Index(shape.collection_id, shape.group, tuple(parts))}


def firestore_indexes(
    shapes: Sequence[Shape], unindexed: dict[str, tuple[str, ...]], expiring: dict[str, str]
) -> dict[str, Any]:
    """The content of `firestore.indexes.json`: indexes, and what differs from the default for single fields.

    `unindexed` names by collection the fields that no query needs; of a map among them, what a shape asks for is indexed
    all the same. `expiring` names the field after whose time a document may be deleted.
    """
    indexes = sorted({index for shape in shapes for index in required(shape)})
    overrides: dict[tuple[str, str], dict[str, Any]] = {}
    for collection_id, fields in unindexed.items():
        for field in fields:
            overrides[collection_id, field] = {"indexes": []}
    for collection_id, field in expiring.items():
        overrides[collection_id, field] = {"ttl": True, "indexes": []}
    for shape in shapes:
        for field, _ in shape.where:
            outer, _, inner = field.partition(".")
            if inner and outer in unindexed.get(shape.collection_id, ()):
                overrides[shape.collection_id, field] = {"indexes": [_mode("asc") | {"queryScope": "COLLECTION"}]}
    grouped = defaultdict(list)
    for index in indexes:
        if len(index.parts) == 1:
            grouped[index.collection_id, index.parts[0][0]].append(index.parts[0][1])
    for key, modes in grouped.items():
        defaults = [_mode(mode) | {"queryScope": "COLLECTION"} for mode in ("asc", "desc", "contains")]
        overrides[key] = {"indexes": [*defaults, *(_mode(mode) | {"queryScope": "COLLECTION_GROUP"} for mode in modes)]}
    return {
        "indexes": [
            {
                "collectionGroup": index.collection_id,
                "queryScope": "COLLECTION_GROUP" if index.group else "COLLECTION",
                "fields": [{"fieldPath": field} | _mode(mode) for field, mode in index.parts],
            }
            for index in indexes
            if len(index.parts) > 1
        ],
        "fieldOverrides": [
            {"collectionGroup": collection_id, "fieldPath": field} | override
            for (collection_id, field), override in sorted(overrides.items())
        ],
    }


def _mode(mode: str) -> dict[str, str]:
    return {"arrayConfig": "CONTAINS"} if mode == "contains" else {"order": f"{mode.upper()}ENDING"}


def undeclared(issued: Iterable[Shape], declared: Iterable[Shape]) -> list[Shape]:
    """The shapes that Firestore would refuse with the indexes of the declared ones."""
    known = {index for shape in declared for index in required(shape)}
    return sorted(shape for shape in issued if required(shape) - known)


def main() -> None:
    from .shapes import EXPIRING, SHAPES, UNINDEXED

    json.dump(firestore_indexes(SHAPES, UNINDEXED, EXPIRING), sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
