"""One canonical form for each phone number, so that one person has one identity."""

import phonenumbers

from pyloto.errors import PermanentError

BRAZIL = 55
WA_ID_DIGITS = range(8, 16)  # E.164: up to 15 digits with the country code


class InvalidPhone(PermanentError, ValueError):
    """Not a phone number. The text never holds what was given."""


def canonical_phone(raw: str, region: str = "BR") -> str:
    """E.164, with the Brazilian ninth digit settled. Raises `InvalidPhone`.

    Accepts "+55 (42) 9 9999-8888", "42 99999-8888" (a number of `region`) and WhatsApp's bare digits with country code.
    """
    # Digits without "+" are a number of the region where they make one; else they begin with a country code.
    readings = [(raw, None)] if raw.strip().startswith("+") else [(raw, region), (f"+{raw.strip()}", None)]
    for text, assumed in readings:
        try:
            number = phonenumbers.parse(text, assumed)
        except phonenumbers.NumberParseException:
            continue
        canonical = settle_ninth_digit(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
        if phonenumbers.is_valid_number(phonenumbers.parse(canonical)):
            return canonical
    raise InvalidPhone("Not a valid phone number")


def canonical_wa_id(wa_id: str) -> str:
    """The canonical form of WhatsApp's own id, "5542…" or "+5542…".

    No table of valid numbers is asked: WhatsApp knows that the customer exists. Raises `InvalidPhone` only for what is
    not 8 to 15 digits.
    """
    digits = wa_id.removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and len(digits) in WA_ID_DIGITS):
        raise InvalidPhone("A wa_id has 8 to 15 digits")
    return settle_ninth_digit(f"+{digits}")


def settle_ninth_digit(phone: str) -> str:
    """Give a Brazilian mobile number its ninth digit: "+55 DD XXXXXXXX" with X from 6 is a mobile, below a landline.

    Old accounts of WhatsApp keep a wa_id without it. Source: Anatel, Resolução 553/2010.
    """
    area, subscriber = phone[3:5], phone[5:]
    if phone.startswith(f"+{BRAZIL}") and len(subscriber) == 8 and subscriber[0] in "6789":
        return f"+{BRAZIL}{area}9{subscriber}"
    return phone
