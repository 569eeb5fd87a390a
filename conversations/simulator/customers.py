"""Invented customers, and ids of the shape that Meta gives them."""

import base64
from dataclasses import asdict, dataclass
from random import Random
from typing import Any

FIRST_NAMES = (
    "Ana Beatriz Bruno Camila Carlos Daniela Diego Eduarda Fábio Fernanda Gabriel Helena Igor Isabela João Juliana "
    "Larissa Lucas Marcos Mariana Natália Otávio Patrícia Paulo Rafaela Renato Sofia Thiago Vanessa Vitor"
)
LAST_NAMES = (
    "Almeida Araújo Barbosa Batista Cardoso Carvalho Castro Costa Dias Fernandes Ferreira Freitas Gomes Gonçalves Lima "
    "Machado Martins Melo Moreira Nogueira Oliveira Pereira Ramos Ribeiro Rocha Santana Souza Teixeira Vieira"
)
AREA_CODES = ("42", "11", "41", "21")
NINTH_DIGIT_BELOW = 31  # WhatsApp keeps the ninth digit in the ids of these area codes and drops it in the others


@dataclass
class Customer:
    customer_id: str
    name: str
    phone: str  # as people write it, E.164; "" for who is known by a username only
    wa_id: str  # as WhatsApp writes it: digits, in most of Brazil without the ninth
    user_id: str  # business-scoped user id
    username: str = ""
    last_wrote_at: float = 0.0  # Unix time; opens the 24-hour window

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def identifiers(self) -> set[str]:
        """All by which WhatsApp finds the customer; a number also without the ninth digit."""
        digits = self.phone.lstrip("+")
        return {self.user_id, self.wa_id, digits, drop_ninth_digit(self.phone)} - {""}


class Inventor:
    """Names, numbers and ids; the same for the same seed."""

    def __init__(self, seed: int | str | None) -> None:
        self._random = Random(seed)

    def customer(self, number: int, *, name: str, phone: str, wa_id: str, username: str) -> Customer:
        user_id = "BR." + "".join(self._random.choices("0123456789", k=20))
        return Customer(f"c{number:05d}", name or self.name(), phone, wa_id, user_id, username)

    def name(self) -> str:
        return f"{self._random.choice(FIRST_NAMES.split())} {self._random.choice(LAST_NAMES.split())}"

    def wamid(self, customer: Customer, *, from_customer: bool) -> str:
        """A message id: base64 of a small record that holds the customer's number."""
        owner = (customer.wa_id or customer.user_id).encode()
        kind = b"\x15\x02\x00\x12\x18" if from_customer else b"\x15\x02\x00\x11\x18"
        unique = (("3A" if from_customer else "") + f"{self._random.getrandbits(72):018X}").encode()
        record = b"\x1c\x18" + bytes([len(owner)]) + owner + kind + bytes([len(unique)]) + unique + b"\x00"
        return "wamid." + base64.b64encode(record).decode()

    def media_id(self) -> str:
        return str(self._random.randrange(10**15, 10**16))

    def token(self) -> str:
        return f"{self._random.getrandbits(128):032x}"


def invented_phone(number: int) -> str:
    return f"+55{AREA_CODES[number // 10_000 % len(AREA_CODES)]}99999{number % 10_000:04d}"


def drop_ninth_digit(phone: str) -> str:
    """`+55 DD 9XXXXXXXX` as WhatsApp's id; any other number as plain digits."""
    digits = phone.lstrip("+")
    is_mobile = digits.startswith("55") and len(digits) == 13 and digits[4] == "9"
    return digits[:4] + digits[5:] if is_mobile and int(digits[2:4]) >= NINTH_DIGIT_BELOW else digits
