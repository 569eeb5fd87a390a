"""What conversations keep about people: messages, sessions, handoffs, what could not be read, and traces in Redis."""

from . import access, erasure, keys, retention  # noqa: F401  (they register what they hold)
