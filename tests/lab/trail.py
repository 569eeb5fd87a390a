"""Looks at the audit chains of all conversations."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from audit.chain import verify
from pyloto.documents import Query, get_store


def read_chains() -> dict[str, list[dict[str, Any]]]:
    """The events of each chain in their order, by conversation id."""
    chains: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for snapshot in get_store().query(Query("audit_logs")):
        chains[snapshot.data["conversation_id"]].append({**snapshot.data, "id": snapshot.id})
    return {name: sorted(events, key=lambda event: int(event["seq"])) for name, events in chains.items()}


def problems_of_chains() -> Iterator[str]:
    """Every conversation has a chain that verifies and ends where its header says."""
    chains = read_chains()
    for conversation_id, events in chains.items():
        for problem in verify(conversation_id, events):
            yield f"chain {conversation_id[:8]}: {problem.kind} at {problem.seq}: {problem.detail}"
    for header in get_store().query(Query("conversations")):
        events = chains.get(header.data["conversation_id"], [])
        last = events[-1] if events else {"seq": 0, "current_hash": ""}
        if header.data["audit_head"] != {"seq": last["seq"], "hash": last["current_hash"]} or not events:
            yield f"chain {header.data['conversation_id'][:8]}: the header names another end"
