"""What WhatsApp knows a customer by, in one canonical form. Pure."""

import json
from dataclasses import asdict, dataclass, field

from pyloto.privacy.hashing import identity_keys
from pyloto.privacy.phones import canonical_wa_id

from .models import Identity


@dataclass(frozen=True)
class Sender:
    """The customer of one message, as the webhook names them. `wa_id` is kept exactly as WhatsApp sent it.

    `unattached` lists the kinds of identifier whose entry in the identity index was missing, or somebody else's, when
    the message came in.
    """

    wa_id: str = ""
    bsuid: str = ""
    username: str = ""
    name: str = ""
    unattached: tuple[str, ...] = field(default=())

    @property
    def phone(self) -> str:
        """E.164 with the Brazilian ninth digit settled; empty where WhatsApp gave no phone."""
        return canonical_wa_id(self.wa_id) if self.wa_id else ""

    def identifiers(self) -> list[tuple[str, str]]:
        """(kind, canonical value), the one to trust most first.

        A username can pass to another person, so it counts only where nothing else is known.
        """
        known = [(Identity.Kind.BSUID.value, self.bsuid), (Identity.Kind.PHONE.value, self.phone)]
        found = [(kind, value) for kind, value in known if value]
        if not found and self.username:
            found = [(Identity.Kind.USERNAME.value, self.username.lower())]
        return found

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Sender":
        values = json.loads(text)
        return cls(**{**values, "unattached": tuple(values.get("unattached", ()))})


def identity_ids(sender: Sender) -> list[tuple[str, list[str]]]:
    """For each identifier of the sender: its kind and its document ids, current pepper first."""
    return [(kind, identity_keys(kind, value)) for kind, value in sender.identifiers()]
