from pyloto.errors import PermanentError, TransientError


class TrailContended(TransientError):
    """Others kept changing the conversation, or the store did not answer; nothing is half done."""


class TrailDamaged(PermanentError):
    """The newest event of a chain is none that Pyloto writes: nothing is appended to it until a person has looked."""


class CustomerErased(PermanentError):
    """What was to be changed belongs to somebody who was erased."""


class CustomerMerged(PermanentError):
    """What was to be changed belongs to somebody who was merged into another customer."""
