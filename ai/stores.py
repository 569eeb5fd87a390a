"""The only file that writes classifications."""

from pyloto.documents import Create

from .models import Classification


class ClassificationStore:
    def create(self, classification: Classification) -> Create:
        """The write that keeps what a classifier said, for the turn's commit."""
        return Create(f"{Classification.collection}/{classification.pk}", classification.to_document())
