"""Yes, no, and "I can't or won't say". Pure."""

import re

from .words import plain, squeezed

WORDS_MAX = 4  # "sim, pode continuar"; more words say something else
REFUSAL_WORDS_MAX = 12
_NOT = r"(?:na+o+|n|nn|nop|num)"
_YES = (
    r"(?:s+i+m+|ss+|s|claro(?: que sim)?|(?:eu )?quero(?: sim)?|pode(?: ser| sim| continuar| mandar| seguir)?|bora|vamo\w*(?: la)?|isso"
    r"(?: mesmo| ai)?|exat\w+|com (?:toda )?certeza|certeza|vai(?: la)?|(?:com )?ctz|acho que sim|uai,? sim|dale|o+k+a?y?|blz|beleza|aham|a-?ha|u?hum+|uhu+m|yes|yep|por favor|continu\w+|positivo"
    r"|certo|certinho|perfeito|show|manda(?: ver)?|fechado|fechou|combinado|ta(?: bom| bem| certo| otimo)?|tudo bem|de acordo|concordo"
    r"|sem problema\w*|afirmativo|demorou|partiu|opa|correto|segue|eh|e sim|gostaria|aceito|topo|top|otimo|ta otimo|excelente|maravilha|podemos|pode seguir|e isso(?: ai| mesmo)?)"
)
_NO = (
    rf"(?:{_NOT}|nops|nope|nah|nem|agora {_NOT}|depois|mais tarde|deixa(?: pra la| pra depois| quieto)?|dispenso|negativo"
    rf"|outra hora|outro dia|(?:era )?so isso|obrigad[oa],? {_NOT}|jamais|nunca|nada(?: nao)?|por enquanto {_NOT}|ainda {_NOT}|hoje {_NOT}|hj {_NOT}|agr {_NOT}|claro que {_NOT}|quero {_NOT}|preciso {_NOT}|precisa {_NOT}"
    rf"|isso {_NOT}|acho que {_NOT}|melhor {_NOT}|de jeito nenhum|no)"
)
_YES_SIGNS, _NO_SIGNS = "👍👌✅✔🆗🤝💯", "👎❌🚫🙅✖"
# After a "não" these say that something does not work, is missing: a sentence of its own, no mere no.
_AFTER_NO = r"(?:funcion\w+|consig\w+|tenho|sei|entend\w+|ach\w+|chego\w*|receb\w+|da certo|temos)"
_REFUSAL = (
    rf"(?<!\w)(?:prefiro (?:{_NOT}|nem)|(?:tenho que|preciso|teria que) (?:ver|verificar|confirmar|perguntar|pensar|conferir|analisar)|{_NOT} tenho como|a gente {_NOT} sabe|vamos (?:ver|definir|pensar|decidir)|vou falar com|a gente (?:ve|decide|define) (?:isso )?depois|sem comentarios|{_NOT} (?:quero|gostaria de|vou|posso|podemos|consigo|vem) (?:dizer|informar|falar|passar|revelar"
    rf"|responder|contar|abrir|ao caso|te dizer)|{_NOT} sei|sei nao|sei la|sem ideia|nem ideia|nem imagino|nem sei|sem nocao"
    rf"|{_NOT} (?:tenho|faco|fazemos|temos) (?:a menor |nenhuma |muita )?(?:ideia|nocao)"
    rf"|{_NOT} (?:tenho|temos) (?:um |nenhum |esse )?(?:orcamento|valor|certeza|dado|numero|controle d(?:isso|esses?))"
    rf"|{_NOT} (?:defini\w*|decidi\w*|pens(?:ei|amos|ou)|lembro|sabemos|calcul\w+|conto isso|interessa)"
    rf"|a definir|(?:ainda )?(?:estamos|estou|to|tamo) (?:definindo|avaliando|vendo|decidindo|pensando)|ainda (?:{_NOT}|vou|vamos)|a combinar|{_NOT} informad\w*|{_NOT} te(?:m|nho) (?:isso )?definid\w+"
    r"|vou (?:ver|pensar|verificar|conferir|confirmar|analisar|perguntar|decidir)|isso e (?:pessoal|particular|confidencial|sigilo\w*)"
    r"|depois (?:eu )?(?:vejo|vemos|te falo|te digo|respondo|informo))(?!\w)"
)
_ONLY_REFUSAL = (
    r"(?:(?:entao|ah|hum|olha|ai|hmm+),? )?(?:isso )?(?:depende(?: (?:muito|bastante|ne|d[aoe](?: \w+){1,4}))?|varia(?: muito)?|pula\w*(?: essa| isso)?"
    r"|proxima(?: pergunta)?|passo(?: essa)?|sem resposta|sigilo\w*|confidencial|indefinid\w+|nao)"
)

_BESIDE_REFUSAL = re.compile(
    r"\b(?:ainda|isso|agora|no momento|por enquanto|direito|bem|te|me|o que|que|ao certo|exatamente|eu|nos|a gente|mas|desculp\w+|sinceramente"
    r"|realmente|nao|dizer|falar|informar|responder|explicar|depois|hoje|tambem|muito|com certeza|oi|olha|entao|ah|ta|ok|sobre|disso|nada"
    r"|dar|essa|esse|pergunta|informacao|melhor|antes|com|o|a|meu|minha|soci[oa]s?|chefe|equipe|pessoal|espos[oa]|marido|aqui|la|um|uma|pouco)\b"
)
ONLY_REFUSAL_WORDS_MAX = 3


def is_only_refusal(text: str) -> bool:
    """Whether nothing else is said than the refusal: "não sei ao certo", but not "não sei quanto tenho no estoque"."""
    if not is_refusal(text):
        return False
    folded = squeezed(plain(text.replace("ñ", "nao").replace("Ñ", "nao")))
    rest = _BESIDE_REFUSAL.sub(" ", re.sub(_REFUSAL, " ", folded))
    return len(folded.split()) <= ONLY_REFUSAL_WORDS_MAX or not re.search(r"\w", rest)


def is_yes(text: str) -> bool:
    return _answer(text) == "yes"


def is_no(text: str) -> bool:
    return _answer(text) == "no"


def _answer(text: str) -> str:
    """ "yes", "no", or empty for what is neither, says both, or says something else."""
    folded = squeezed(text.replace("ñ", "n"))
    if not folded:
        yes, no = (any(sign in text for sign in signs) for signs in (_YES_SIGNS, _NO_SIGNS))
        return "yes" if yes and not no else "no" if no and not yes else ""
    if len(folded.split()) > WORDS_MAX or "?" in text:
        return ""
    if re.match(rf"(?:{_NO})(?!\w)", folded):
        return (
            ""
            if re.match(rf"(?:isso |hoje |ainda )?{_NOT},? (?:{_AFTER_NO})(?!\w)", folded)
            or _turns(folded, _NO, r"s+i+m+")
            else "no"
        )
    if re.match(rf"(?:{_YES})(?!\w)", folded):
        if re.fullmatch(r"(?:quero|gostaria|pode|isso|opa|ta|vamos|segue|certo|manda\w*) .+", folded):
            whole = rf"(?:{_YES})(?:[ ,.!]+(?:{_YES}|sim|mesmo|muito|agora|la|otto))*"
            return "yes" if re.fullmatch(whole, folded) else ""
        return "" if _turns(folded, _YES, _NOT) else "yes"
    return ""


def _turns(folded: str, begin: str, other: str) -> bool:
    """Whether a yes ends as a no, or the other way round: "sim não"."""
    return bool(re.match(rf"(?:{begin})[ ,.!]+(?:{other})(?!\w)", folded))


def is_refusal(text: str) -> bool:
    """Whether the customer can't or won't say: "não sei", "prefiro não dizer", "depende"."""
    if len(text.split()) > REFUSAL_WORDS_MAX:
        return False
    folded = squeezed(plain(text.replace("ñ", "nao").replace("Ñ", "nao")))
    if re.fullmatch(_ONLY_REFUSAL, folded) and folded != "nao":
        return True
    return bool(re.search(_REFUSAL, folded))
