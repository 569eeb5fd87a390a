"""Replacing what identifies a person: for screens (`mask_phone`), and for logs and classifier input (`mask_text`)."""

import re

import phonenumbers

DOT = "•"

# Order matters: the more specific first. Bounded by what is no letter, digit or hyphen, so that digests and UUIDs stay.
_START, _END = r"(?<![\w-])", r"(?![\w-])"
_PATTERNS = (
    ("[mensagem]", re.compile(r"wamid\.[\w+/=-]+|\bHBg[\w+/-]{16,}={0,2}")),  # Meta's ids hold the phone in base64
    # Begins only where a run does: trying each place of a long run without "@" takes the square of its length. Hence the
    # outer "+": of two in one run ("a@b.c+d@e.f"), the second begins inside of it.
    ("[e-mail]", re.compile(r"(?<![\w.+-])(?:[\w.+-]+@[\w-]+(?:\.[\w-]+)+)+")),
    ("[cpf]", re.compile(_START + r"\d{3}\.\d{3}\.\d{3}-\d{2}" + _END)),
    # Letters too: CNPJs are alphanumeric since July 2026.
    ("[cnpj]", re.compile(_START + r"[A-Z\d]{2}\.[A-Z\d]{3}\.[A-Z\d]{3}/[A-Z\d]{4}-\d{2}" + _END)),
    (
        "[cliente]",
        re.compile(r"\b[A-Z]{2}\.(?:ENT\.)?(?=[A-Za-z\d]*\d)[A-Za-z\d]{10,128}\b"),
    ),  # business-scoped user id
    (
        "[telefone]",
        re.compile(
            r"\+\d(?:[\s().-]{0,2}\d){7,14}(?!\d)"  # international
            rf"|{_START}(?:55[\s.-]?)?\(?0?\d{{2}}\)?[\s.-]{{0,2}}(?:9[\s.-]?)?\d{{4}}[\s.-]?\d{{4}}{_END}"  # Brazilian
            rf"|{_START}9\d{{4}}-\d{{4}}{_END}"  # without area code
            rf"|{_START}\d{{10,14}}{_END}"  # a wa_id; also CPF and CNPJ without their dots
        ),
    ),
)


def mask_text(text: str) -> str:
    """The text with phones, e-mails, CPF, CNPJ and ids of WhatsApp replaced by markers."""
    for marker, pattern in _PATTERNS:
        text = pattern.sub(marker, text)
    return text


def mask_phone(phone: str) -> str:
    """A canonical phone for screens: "+5541999998899" gives "+55 41 9••••-••99"."""
    last = phone[-2:]
    try:
        number = phonenumbers.parse(phone)
    except phonenumbers.NumberParseException:
        return DOT * 6 + last
    national = str(number.national_number)
    if number.country_code == 55 and len(national) in (10, 11):
        ninth = national[2] if len(national) == 11 else ""
        return f"+55 {national[:2]} {ninth}{DOT * 4}-{DOT * 2}{last}"
    return f"+{number.country_code} {DOT * 6}{last}"
