"""Which index a query needs, from its shape.

Rules: Firestore, "Index types" and "Index merging". Fields are indexed by themselves in each collection, so a query
needs an index of its own where it combines an order or a range with another field, or searches a collection group.
"""

from dataclasses import dataclass

from .port import Direction, Operator, Query
from .queries import effective_order


@dataclass(frozen=True, order=True)
class Shape:
    """What of a query decides on its index: the fields and operators, not the values."""

    collection_id: str
    where: tuple[tuple[str, Operator], ...] = ()
    order_by: tuple[tuple[str, Direction], ...] = ()
    group: bool = False


def shape_of(query: Query) -> Shape:
    """The order is that of the results, without the document id where it only breaks ties."""
    order = effective_order(query)
    if order[-1][1] == (order[-2][1] if len(order) > 1 else "asc"):
        order = order[:-1]
    where = tuple(sorted({(field, operator) for field, operator, _ in query.where}))
    return Shape(query.collection.rpartition("/")[2], where, order, query.group)
