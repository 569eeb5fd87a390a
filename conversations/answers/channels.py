"""By which channels a company's customers reach it. Pure."""

import re

from .choices import listed, mentioned
from .clients import find_business
from .names import is_amount, read_text
from .words import Found, plain, squeezed

_CHANNELS = {
    "WhatsApp": r"whats\w*|wats\w*|wathsapp|zap\w*|wpp|wapp",
    "Instagram": r"insta\w*|direct|ig",
    "Facebook": r"face\w*|messenger|fb",
    "Telefone": r"telefon\w+|ligac\w+|ligam|fone|fixo|celular",
    "E-mail": r"e-?mails?",
    "Site": r"site|chat do site|formulario",
    "Telegram": r"telegram",
    "TikTok": r"tik ?tok",
    "iFood": r"ifood|i-food",
    "Presencial": r"presencial\w*|pessoalmente|balcao|(?:na|vem na|aqui na) loja|ao vivo|cara a cara",
}
CHANNEL_CHOICES = (
    "WhatsApp", "WhatsApp e Instagram", "Vários canais", "Instagram", "Facebook", "Telefone", "E-mail", "Site", "Presencial",
)  # fmt: skip
_EVERY_CHANNEL = r"\b(?:todos|tudo|varios|diversos|de tudo)\b"
_BRANDS = ("WhatsApp", "Instagram", "Facebook", "Telegram", "TikTok", "iFood")


def read_channels(text: str) -> str | None:
    if re.fullmatch(r"\d(?:\s?(?:,|e|\+)\s?\d){1,4}", squeezed(text)):  # several of the list
        text = ", ".join(CHANNEL_CHOICES[int(n) - 1] for n in re.findall(r"[1-9]", text))
    if channels := listed(mentioned(text, _CHANNELS), names=_BRANDS):
        return channels
    if re.search(_EVERY_CHANNEL, plain(text)):
        return "Vários canais"
    if re.match(r"nenhum|na[od]", squeezed(text)) or find_business(text) or is_amount(text):
        return None
    return read_text(text)


def find_channels(text: str) -> Found | None:
    """ "atendemos por whats e insta": two of them at least; one alone is mostly what the wish is about."""
    channels = mentioned(text, _CHANNELS)
    talk = re.search(r"\b(?:whats\w*|zap|wpp|insta\w*|direct)\b", plain(text))
    return Found(str(listed(channels, names=_BRANDS)), *talk.span()) if talk and len(channels) > 1 else None
