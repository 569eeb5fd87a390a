"""Documents as text: JSON that keeps the types JSON lacks. Used by the embedded adapter's rows.

{"$t": microseconds}, {"$b": base64} and {"$f": "inf"} stand for times, bytes and infinities; a `$` that begins a key of
the document itself is doubled. Keys are sorted: equal documents have equal texts, and 1, 1.0 and true stay three values.
"""

import base64
import json
import math
from datetime import datetime
from typing import Any

from .values import from_microseconds, microseconds


def dumps(value: Any) -> str:
    return json.dumps(_encode(value), ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def loads(text: str) -> Any:
    return json.loads(text, object_hook=_decode)


def _encode(value: Any) -> Any:
    match value:
        case datetime():
            return {"$t": microseconds(value)}
        case bytes():
            return {"$b": base64.b64encode(value).decode()}
        case float() if math.isinf(value):
            return {"$f": str(value)}
        case list():
            return [_encode(item) for item in value]
        case dict():
            return {("$" + name if name.startswith("$") else name): _encode(item) for name, item in value.items()}
    return value


def _decode(value: dict[str, Any]) -> Any:
    match value:
        case {"$t": int(time)}:
            return from_microseconds(time)
        case {"$b": str(text)}:
            return base64.b64decode(text)
        case {"$f": str(number)}:
            return float(number)
    if any(name.startswith("$") for name in value):
        return {name.removeprefix("$"): item for name, item in value.items()}
    return value
