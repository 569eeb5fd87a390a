"""Errors of the repository layer. Messages name paths, never field values."""

from pyloto.errors import PermanentError, TransientError


class AlreadyExists(PermanentError):
    """A `create` found a document in its place."""


class NotFound(PermanentError):
    """The document read or updated is not there."""


class PreconditionFailed(PermanentError):
    """The document changed since the `last_update_time` that the write expects."""


class InvalidDocument(PermanentError, ValueError):
    """A path, field name, value or query that no backend may accept; raised before anything is sent."""


class Unavailable(TransientError):
    """The store did not answer in time, or said to try again. For a write: it may have been applied."""
