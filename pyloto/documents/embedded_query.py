"""A query plan as SQL over the embedded adapter's table.

Field paths are checked (`values.field_path`) and stand in the SQL as text, for SQLite uses an index over an expression
only where the query holds the same expression; values are always parameters.
"""

from typing import Any

from .port import DOCUMENT_ID, Direction
from .queries import Plan
from .values import sort_key

_COMPARISONS = {"==": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


def select(plan: Plan, columns: tuple[str, ...]) -> tuple[str, list[Any]]:
    """The statement and its parameters."""
    conditions, params = _scope(plan)
    for field, operator, operand in plan.filters:
        condition, values = _condition(plan, field, operator, operand)
        conditions.append(condition)
        params += values
    present = dict.fromkeys((*(field for field, _, _ in plan.filters), *(field for field, _ in plan.order)))
    conditions += [f"{key(field)} IS NOT NULL" for field in present if field != DOCUMENT_ID]  # as the indexes have it
    if plan.start_after is not None:
        condition, values = _after(plan, plan.start_after)
        conditions.append(condition)
        params += values
    order = ", ".join(f"{_sorted_by(plan, field)} {direction.upper()}" for field, direction in plan.order)
    sql = f"SELECT {', '.join(columns)} FROM documents_document WHERE {' AND '.join(conditions)} ORDER BY {order}"  # noqa: S608
    if plan.limit is not None:
        sql += " LIMIT %s"
        params.append(plan.limit)
    return sql, params


def count(plan: Plan) -> tuple[str, list[Any]]:
    sql, params = select(plan, ("path",))
    return f"SELECT COUNT(*) FROM ({sql})", params  # noqa: S608


def key(field: str) -> str:
    """The SQL of a field's sort key; NULL where the document lacks the field."""
    return f"""json_extract(keys, '$."{field}"')"""


def collection_condition(collection_id: str) -> str:
    """As text, for the indexes are partial: each is for one collection."""
    return "collection_id = '{}'".format(collection_id.replace("'", "''"))


def name_key(*, group: bool) -> str:
    """The SQL of the document's name. Across collections names sort segment by segment: nothing sorts below `/`."""
    return "replace(path, '/', char(1))" if group else "path"


def _sorted_by(plan: Plan, field: str) -> str:
    return name_key(group=plan.group) if field == DOCUMENT_ID else key(field)


def _scope(plan: Plan) -> tuple[list[str], list[Any]]:
    conditions = [collection_condition(plan.collection_id).replace("%", "%%")]
    if plan.group:
        return conditions, []
    parent = f"{plan.parent}/{plan.collection_id}" if plan.parent else plan.collection_id
    return [*conditions, "parent = %s"], [parent]


def _condition(plan: Plan, field: str, operator: str, operand: Any) -> tuple[str, list[Any]]:
    column = _sorted_by(plan, field)

    def parameter(value: Any) -> str:
        return _name(plan, value) if field == DOCUMENT_ID else sort_key(value)

    if operator == "array-contains":
        return f"""EXISTS (SELECT 1 FROM json_each(arrays, '$."{field}"') WHERE value = %s)""", [sort_key(operand)]  # noqa: S608
    if operator == "in":
        return f"{column} IN ({', '.join(['%s'] * len(operand))})", [parameter(value) for value in operand]
    condition, params = f"{column} {_COMPARISONS[operator]} %s", [parameter(operand)]
    if operator == "!=" and operand is not None:
        return f"({condition} AND {column} <> 'a')", params  # null is not unequal to anything
    if operator in {"==", "!="} or field == DOCUMENT_ID:
        return condition, params
    kind = params[0][0]  # ranges compare within one type
    bound, limit = (">=", kind) if operator in {"<", "<="} else ("<", chr(ord(kind) + 1))
    return f"({condition} AND {column} {bound} '{limit}')", params


def _after(plan: Plan, cursor: tuple[Any, ...]) -> tuple[str, list[Any]]:
    """(k1 > v1) or (k1 = v1 and k2 > v2) or …, and k1 >= v1 once more, for the index."""
    columns = [_sorted_by(plan, field) for field, _ in plan.order]
    keys = [*(sort_key(value) for value in cursor[:-1]), _name(plan, cursor[-1])]
    signs = [_sign(direction) for _, direction in plan.order]
    alternatives, params = [], []
    for position, (column, sign) in enumerate(zip(columns, signs, strict=True)):
        equal = [f"{column} = %s" for column in columns[:position]]
        alternatives.append(" AND ".join([*equal, f"{column} {sign} %s"]))
        params += keys[: position + 1]
    condition = f"{columns[0]} {signs[0]}= %s AND (({') OR ('.join(alternatives)}))"
    return condition, [keys[0], *params]


def _sign(direction: Direction) -> str:
    return ">" if direction == "asc" else "<"


def _name(plan: Plan, path: str) -> str:
    return path.replace("/", "\x01") if plan.group else path
