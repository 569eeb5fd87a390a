"""The audit trail: hash chains of what happened, one for each conversation. This package imports no models."""

from .chain import Event, EventType, Head, Problem, ProblemKind, event_id, link, verify

__all__ = ["Event", "EventType", "Head", "Problem", "ProblemKind", "event_id", "link", "verify"]
