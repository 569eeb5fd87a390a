"""Deterministic reading of Portuguese messages: the classifier without a model, and the one that stands in for it.

Every pattern reads folded text (`text.fold`): lower case, no accents, typos of key words mended.
"""

import re

from . import knowledge
from .intents import Intent
from .responses import AIResponse, Detected
from .text import fold, mend_typos

VERSION = "rules-1"

# Words whose typos are mended. Ordinary words that stand one slip away from one of these are listed too: they stay.
VOCABULARY = frozenset(
    """sistema sistemas sisteminha aplicativo aplicativos software programa plataforma automatizar chatbot whatsapp
    atendente atendimento entregador entregadora entregadores entrega entregas entregar motoboy motoqueiro horario
    horarios endereco humano humana humanos lojista restaurante orcamento preciso precisamos gostaria pedido encomenda
    desenvolver cadastrar trabalhar urgente telefone pessoa perdido pessoal pessoas sistematico""".split()
)

_WISH = (
    r"\b(quer\w*|precis\w*|gostaria|faz\w*|cri\w+|mont\w+|desenvolv\w*|contrat\w*|orcamento|procur\w*|necessit\w*"
    r"|tem como|interess\w*|to atras|busc\w+|cot\w+|quanto (custa|fica|sai)|ter|sob medida|vend\w+)\b"
)
_SOFTWARE = (
    r"\b(sistem(a|as|inha|inho|inhas)|software\w*|app|apps|aplicativ\w+|appzinho|site|sites|website|plataforma\w*"
    r"|e-?commerce|loja (virtual|online)|landing page|erp|crm|programa|programinha|dashboard|painel|automac\w+"
    r"|integrac\w+|program(ar|ador\w*)|desenvolvedor\w*|desenvolvimento)\b"
)
_CHANNEL = r"\b(whats\w*|wats\w*|zap|zapzap|wpp|insta\w*|direct|telegram|atendimento)\b"
_SHOP = (
    r"\b(loja\w*|lojista|empresa|restaurante|lanchonete|farmacia|comercio|comerciante|estabelecimento|pizzaria|padaria"
    r"|mercad\w+|floricultura|negocio|delivery|meus clientes|nossos clientes|hamburgueria|acai\w*|doceria|distribuidora)\b"
)
_COURIER = r"\b(motoboy\w*|entregador\w*|motoqueir\w*|motoca\w*|moto ?taxi|moto ?boy\w*)\b"

# (intent, confidence, patterns that must all match)
_INTENTS: tuple[tuple[Intent, float, tuple[str, ...]], ...] = (
    (Intent.PYLOTO_ENTREGA_DRIVER_SIGNUP, 0.95, (
        r"\b(ser|virar|viro|trabalh\w+|tramp\w+|cadastr\w+|inscrev\w+|vagas?|seja|me torn\w+)\b.{0,30}"
        rf"({_COURIER}|\bentreg(a|as|ando)\b)", r"^(?!.*\b(minha|nossa) (loja|empresa)\b)",
    )),
    (Intent.PYLOTO_ENTREGA_DRIVER_SIGNUP, 0.9, (
        rf"\b(sou|trabalho (de|como)) {_COURIER}|\bfazer entregas? (com|para|pra|pela|por) (voces|vcs|vc|a pyloto|a moto)"
        rf"|\b(contratando|pegando|aceitando|precisa(m|ndo) de) ({_COURIER})"
        r"|\btenho (uma |minha )?(moto|bike|bicicleta)\b.{0,20}\b(quer\w*|procur\w*|precis\w*|trabalh\w*|entreg\w*)",
    )),
    (Intent.PYLOTO_ENTREGA_MERCHANT_SIGNUP, 0.92, (_SHOP, rf"(\bentreg\w+\b|{_COURIER})", _WISH, r"^(?!.*\bagora\b)")),
    (Intent.PYLOTO_ENTREGA_MERCHANT_SIGNUP, 0.9, (
        r"\b(sou lojista|cadastr\w+ (a )?(minha|nossa) (loja|empresa)"
        r"|entregas? (para|pra|da|na|do|no|pro) (a |o )?(minha|meu|nossa|nosso)\b"
        r"|parceria.{0,20}entreg|entreg\w+.{0,20}parceria)",
    )),
    (Intent.PYLOTO_ENTREGA_REQUEST, 0.9, (
        r"\b(precis\w+|quero|queria|cham\w+|mand\w+|ped(ir|e|i)|solicit\w+|tem como|arrum\w+|consegue\w*|tem|tem algum"
        rf"|me ve|necessito|envi\w+)\b.{{0,30}}({_COURIER}|\b(entrega|frete|corrida|coleta|retirada|tele ?entrega)\b)",
    )),
    (Intent.PYLOTO_ENTREGA_REQUEST, 0.92, (
        r"\b(cade|kd|onde (esta|ta|anda)|acompanh\w+|rastre\w+|status|atras\w+|nao chegou|demor\w+|chega que horas)\b"
        rf".{{0,30}}({_COURIER}|\b(pedido|entrega|encomenda|pacote|lanche|comida)\b)"
        rf"|\b(pedido|entrega|encomenda|pacote|lanche)\b.{{0,25}}\b(nao chegou|atras\w+|demor\w+|cade|sumiu)\b",
    )),
    (Intent.PYLOTO_ENTREGA_REQUEST, 0.85, (
        r"\b(precis\w+|quero|queria|tem como|da (pra|para)|podem?)\b.{0,15}\b(buscar|levar|entregar|retirar|coletar)"
        r" (um|uma|uns|umas|o|a|isso|esse|essa|meu|minha)\b",
    )),
    (Intent.SAAS_COMMUNICATION, 0.95, (
        r"\b(chat ?bots?|atendimento (automatic\w+|automatizad\w+|virtual|24 ?h\w*)|saas|bot|robo\w*|assistente virtual)\b",
        r"^(?!.*\b(voce|vc|vcs|voces|tu|isso|aqui|falando com|nao quero)\b.{0,20}\b(bot|robo\w*|chat ?bot)\b)",
    )),
    (Intent.SAAS_COMMUNICATION, 0.93, (
        rf"\b(automatiz\w+|automac\w+|inteligencia artificial|ia|robo|bot|organiz\w+|melhor\w+|atend\w+ (meus |os |nossos )?client\w+"
        rf"|respond\w+ (os |meus |nossos )?client\w+|pyloto)\b.{{0,40}}{_CHANNEL}|{_CHANNEL}.{{0,40}}\b(automatic\w+|automatiz\w+|"
        r"sozinho|inteligencia artificial|24 ?h\w*)\b",
    )),
    (Intent.SAAS_COMMUNICATION, 0.8, (_WISH, r"\b(pyloto (da|na|no|para|pra) (minha|meu)|pyloto da sua comunicacao)")),
    (Intent.CUSTOM_SOFTWARE, 0.93, (_SOFTWARE, _WISH)),
    (Intent.CUSTOM_SOFTWARE, 0.75, (_SOFTWARE,)),
    (Intent.UNSUPPORTED, 0.8, (
        r"\b(piada|receita de|previsao do tempo|vai chover|capital d[aeo]|horoscopo|signo|resultado d[aeo] (jogo|loteria|mega)"
        r"|mega ?sena|loteria|jogo do bicho|quem ganhou|tigrinho|aposta\w*|poema|letra d[aeo] musica|tradu(z|c)\w+|emprestimo"
        r"|emagrec\w+|namor\w+|nudes?|sexo|crush|cripto\w*|bitcoin|remedio para|diagnostico|dever de casa|trabalho da (escola|faculdade)"
        r"|presidente d[ao]|em quem votar|politica|pizza de|comprar (maconha|droga\w*|arma\w*)|ganhar dinheiro (facil|rapido))\b",
    )),
)  # fmt: skip

_ABOUT_US = (
    r"\b(voces|vcs|a pyloto|pyloto|a empresa de voces)\b.{0,12}\b(tem|fazem|trabalham|atendem|aceitam|emitem|sao|ficam|oferecem"
    r"|dao|possuem|usam|existem?|atende|aceita|emite|oferece|tem)\b.+"
    r"|\b(cnpj|advogad\w+|judicial\w*|juridic\w+|lgpd|meus dados|reclamac\w+|reclamar|procon|reembols\w+|cancelar (o |meu )?contrato"
    r"|negoci(ar|acao)|desconto\w*|boleto|fatura|nota fiscal|curriculo|vagas? de emprego|emprego|estagio"
    r"|trabalhar (ai|com voces|na pyloto))\b"
)
_PERSON = (
    r"(pessoa|humano|humana|atendente|alguem|gente|consultora?|vendedora?|responsavel|equipe|suporte|time"
    r"|ser humano|atendimento humano)"
)
_HUMAN = (
    r"\b(fal(ar|o|e|em|a)|convers(ar|o)|atendid[oa]|atendimento|transf\w+|passa\w*|contato|encaminh\w+)\b( \w+){0,2}?"
    rf" (com|por|para|pra)( (um|uma|o|a|algum|alguma|os|as|outra|seu|sua))?( outra)? {_PERSON}\b",
    rf"^(e |ola |oi )?(um |uma |o |a |com )?{_PERSON}(,? (real|de verdade|humana))?(,? (por favor|pf|pfv|agora|ja))?[.!]*$",
    r"\b(quero|queria|preciso de|chama|cade|prefiro|me ve|tem) (um |uma |o |a |algum )?(atendente|humano|ser humano|pessoa (real|de verdade))\b",
    r"\batendimento (humano|com (um )?humano)\b",
    r"\bnao quero (mais )?(falar )?(com )?(um |o |esse |este )?(robo|bot|maquina|ia)\b",
    r"\b(podem?|pode|da pra|quero que) me (ligar|liga|liguem)\b|\bme (liga|ligue|liguem)\b",
)
_NOT_HUMAN = (
    rf"\b(nao (quero|precisa|preciso|precisa de)|sem)( \w+){{0,2}} (fal(ar|e)|atendente|humano|{_PERSON})\b(?!.*\brobo)",
    rf"\b(clientes?|usuarios?|alunos?|pacientes?)\b.{{0,30}}\b(fal(ar|em|e)|conversar)\b.{{0,12}} {_PERSON}\b",
)
_URGENT = (
    r"\b(urgente|urgencia|agora mesmo|pra ontem|(o )?quanto antes|imediat\w+|emergencia|asap|correndo"
    r"|(precis\w+|quero|chama|manda)\b.{0,40}\b(agora|hoje|ja)|(ainda|para|pra) hoje)\b|\bagora[ .!]*$"
)
_DECIDES = (
    r"\b(sou|eu sou|aqui e)( o| a| um| uma)?( \w+)?\b.{0,12}\b(don[oa]|proprietari[oa]|soci[oa]|fundadora?|gerente|diretora?|ceo"
    r"|responsavel|gestora?|empresari[oa])\b|\b(minha|nossa) (empresa|loja|clinica|padaria|oficina|academia|pizzaria|escola)\b"
    r"|\b(meu|nosso) (negocio|restaurante|comercio|escritorio|salao|mercado)\b|\btenho (uma|um) (empresa|loja|negocio|comercio)\b"
)
_SITE_OF_OURS = r"\b(o|qual|tem|link d[oe]) site\b(?! (para|pra|que|com))"
_QUESTION = (
    r"(e |mas |oi,? |ola,? )?(qual|quais|que|o que|onde|quando|quant[oa]s?|como|quem|vcs?|voces?|por ?que|tem como)\b"
)
_GREETING = (
    r"(oi|oie|ola|opa|e ai|eai|bom dia|boa tarde|boa noite|hey|hello|alo|tudo (bem|bom)|td bem|blz|beleza|salve|otto|pessoal"
    r"|obrigad[oa]|obg|valeu|vlw|ok|certo|[ ,!?.])+"
)
_ALSO = r"\b(tambem|tbm|tb|alem d\w+|e ainda|outra coisa)\b"
_COMMERCIAL = {
    Intent.CUSTOM_SOFTWARE,
    Intent.SAAS_COMMUNICATION,
    Intent.PYLOTO_ENTREGA_MERCHANT_SIGNUP,
    Intent.PYLOTO_ENTREGA_DRIVER_SIGNUP,
    Intent.PYLOTO_ENTREGA_REQUEST,
}


def classify(message: str) -> AIResponse:
    """What the rules recognise in a message; no intent where they recognise none."""
    text = mend_typos(fold(message), VOCABULARY)
    return AIResponse(
        intents=_intents(text),
        wants_human=wants_human(text),
        urgent=bool(re.search(_URGENT, text)),
        decision_maker=bool(re.search(_DECIDES, text)),
        prompt_version=VERSION,
    )


def is_question(message: str) -> bool:
    folded = fold(message)
    return "?" in folded or bool(re.match(_QUESTION, folded))


def is_greeting(message: str) -> bool:
    """Whether a message says hello or thanks, and nothing else."""
    return bool(re.fullmatch(_GREETING, fold(message)))


def wants_human(folded: str) -> bool:
    return any(re.search(p, folded) for p in _HUMAN) and not any(re.search(p, folded) for p in _NOT_HUMAN)


def _intents(text: str) -> tuple[Detected, ...]:
    best: dict[Intent, float] = {}
    for intent, confidence, patterns in _INTENTS:
        if all(re.search(pattern, text) for pattern in patterns):
            best[intent] = max(confidence, best.get(intent, 0.0))
    if re.search(_SITE_OF_OURS, text) and not re.search(_WISH, text):
        best.pop(Intent.CUSTOM_SOFTWARE, None)
    commercial = _commercial(best, several=bool(re.search(_ALSO, text)))
    others = {intent: c for intent, c in best.items() if intent not in _COMMERCIAL and not commercial}
    if (not commercial or is_question(text)) and knowledge.find_answer(text, alone=not commercial) is not None:
        others = {Intent.INSTITUTIONAL: 0.9}
    elif not commercial and not others and re.search(_ABOUT_US, text):
        others = {Intent.INSTITUTIONAL: 0.6}
    found = commercial | others
    return tuple(Detected(intent, c) for intent, c in sorted(found.items(), key=lambda item: -item[1]))


def _commercial(best: dict[Intent, float], *, several: bool) -> dict[Intent, float]:
    """One sentence mostly means one thing ("um app de entregas para minha loja"): the strongest, unless it says "também"."""
    found = {intent: c for intent, c in best.items() if intent in _COMMERCIAL}
    if several or len(found) < 2:
        return found
    strongest = max(found, key=lambda intent: found[intent])
    return {strongest: found[strongest]}
