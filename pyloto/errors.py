"""Errors that every app may raise: either trying again may help, or it never will."""


class PylotoError(Exception):
    """Root of the project's own errors. Messages never hold personal data."""


class TransientError(PylotoError):
    """Trying again later may work."""


class PermanentError(PylotoError):
    """Trying again will never work."""


class StorageUnavailable(TransientError):
    """The storage of files did not answer, or refused. For a write: it may have been made."""
