"""Alerts have constant names, and docs/production.md lists every one that a person may meet."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
APPS = ("ai", "audit", "conversations", "exports", "profiles", "pyloto")


def names_of(call: ast.Call) -> Iterator[ast.expr]:
    """What a call of `alert`, or one that is given an `alert=`, has as a name."""
    if isinstance(call.func, ast.Name) and call.func.id == "alert":
        yield call.args[0]
    yield from (keyword.value for keyword in call.keywords if keyword.arg == "alert")


def in_the_code() -> Iterator[str]:
    for app in APPS:
        for file in sorted((ROOT / app).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text())):
                for name in names_of(node) if isinstance(node, ast.Call) else ():
                    if ast.unparse(name) in (
                        "step.alert",
                        "plan.alert",
                        "True",
                    ):  # passed on; the field of the log line
                        continue
                    assert isinstance(name, ast.Constant), f"{file}:{name.lineno}"
                    yield str(name.value)


def test_every_alert_is_listed_where_operators_look_and_no_other() -> None:
    watched = (ROOT / "docs" / "production.md").read_text().split("\n## Alerts\n")[1].split("\n## ")[0]
    listed = re.findall(r"^\| `(\w+)` \|", watched, flags=re.MULTILINE)
    assert sorted(listed) == sorted(set(in_the_code()))
