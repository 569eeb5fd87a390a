"""What WhatsApp knows a customer by, in one canonical form. Pure."""

import json
from dataclasses import asdict, dataclass, field, replace

from pyloto.privacy.hashing import identity_keys
from pyloto.privacy.phones import InvalidPhone, canonical_wa_id

from .models import Identity

WEBHOOK = "webhook"  # evidence of an entry: a message came from there
NUMBER_CHANGE = "number_change"  # WhatsApp said that the customer is known by it from now on
STAFF = "staff"  # a person wrote it into the profile: nobody has seen it in use


@dataclass(frozen=True)
class Sender:
    """The customer of one message, as the webhook names them. `wa_id` is kept exactly as WhatsApp sent it.

    `new_wa_id` and `new_bsuid` are what WhatsApp says that this customer is known by from now on (`system` messages).
    `unattached` lists the kinds of identifier whose entry in the identity index was missing, or somebody else's, when
    the message came in.
    """

    wa_id: str = ""
    bsuid: str = ""
    username: str = ""
    name: str = ""
    new_wa_id: str = ""
    new_bsuid: str = ""
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

    def renewed(self) -> "Sender":
        """The same customer by what they are known by from now on."""
        return replace(
            self, wa_id=self.new_wa_id or self.wa_id, bsuid=self.new_bsuid or self.bsuid, new_wa_id="", new_bsuid=""
        )

    def to_json(self) -> str:
        """Without new ids where there are none: a release that does not know them yet reads all other messages."""
        fields = {name: value for name, value in asdict(self).items() if value or not name.startswith("new_")}
        return json.dumps(fields, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Sender":
        values = json.loads(text)
        return cls(**{**values, "unattached": tuple(values.get("unattached", ()))})


def identity_ids(sender: Sender) -> list[tuple[str, list[str]]]:
    """For each identifier of the sender: its kind and its document ids, current pepper first."""
    return [(kind, identity_keys(kind, value)) for kind, value in sender.identifiers()]


@dataclass(frozen=True)
class Attachment:
    """An identifier that a turn attaches to its customer: `ids` are its document ids, one for each pepper."""

    kind: str
    ids: tuple[str, ...]
    evidence: str


def to_attach(sender: Sender) -> list[Attachment]:
    """Those without an entry when the message came in, and those that a number change brings."""
    missing = [Attachment(kind, tuple(ids), WEBHOOK) for kind, ids in identity_ids(sender) if kind in sender.unattached]
    if not sender.new_wa_id and not sender.new_bsuid:
        return missing
    renewed = Sender(wa_id=sender.new_wa_id, bsuid=sender.new_bsuid)
    return missing + [Attachment(kind, tuple(ids), NUMBER_CHANGE) for kind, ids in identity_ids(renewed)]


# The fields of a profile that hold what a customer is known by.
FIELDS = {
    "phone": Identity.Kind.PHONE.value,
    "wa_id": Identity.Kind.PHONE.value,
    "bsuid": Identity.Kind.BSUID.value,
    "username": Identity.Kind.USERNAME.value,
}


def of_field(field: str, value: str) -> list[tuple[str, str]]:
    """The (kind, canonical value) that a profile's field gives; none where it is empty or no phone."""
    try:
        canonical = {"wa_id": canonical_wa_id, "username": str.lower}.get(field, str)(value) if value else ""
    except InvalidPhone:
        return []
    return [(FIELDS[field], canonical)] if canonical else []
