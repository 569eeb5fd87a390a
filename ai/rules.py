"""Deterministic reading of Portuguese messages: the classifier without a model, and the one that stands in for it. Pure.

Every pattern reads normalised text (`text.normalise`): lower case, no accents, typos of key words mended.
"""

import re
from dataclasses import dataclass

from . import knowledge
from .intents import Intent
from .responses import AIResponse, Detected
from .text import fold, normalise

VERSION = "rules-1"
SMALL_TALK_MAX = 60  # characters; longer than that is no mere hello

# --- what is spoken of ------------------------------------------------------------------------------------------------
_WISH = (
    r"\b(quer\w*|precis\w*|gostaria|faz\w*|cri\w+|mont\w+|desenvolv\w*|contrat\w*|orcamento|procur\w*|necessit\w*"
    r"|tem como|interess\w*|atras d\w+|busc\w+|cot\w+|quanto (custa|fica|sai)|ter|sob medida|vend\w+|integr\w+)\b"
)
_SOFTWARE = (
    r"\b(sistem(a|as|inha|inho|inhas)|software\w*|app|apps|aplicativ\w+|appzinho|site|sites|website|plataforma\w*"
    r"|portal|e-?commerce|loja (virtual|online)|landing page|erp|crm|programa|programinha|dashboard|painel|automac\w+"
    r"|integrac\w+|program(ar|ador\w*)|desenvolvedor\w*|desenvolvimento|vender (pela|na) internet|vender online)\b"
)
_AUTOMATE = r"\bautomatiz\w+.{0,20}\b(planilhas?|processos?|controles?|estoque|financeiro|cadastros?|relatorios?)\b|\binformatiz(ar|o|em)\b"
_CHANNEL = r"\b(whats\w*|wats\w*|zap|zapzap|wpp|insta\w*|direct|telegram|atendimento)\b"
_CUSTOMERS = r"(os |meus |nossos |com )?client\w+"
_SHOP = (
    r"\b(loja\w*|lojista|empresa|restaurante|lanchonete|lancheria|farmacia|comercio|comerciante|estabelecimento|pizzaria|padaria"
    r"|mercad\w+|floricultura|negocio|delivery|meus clientes|nossos clientes|hamburgueria|acai\w*|doceria|distribuidora|confeitaria|adega|bar|papelaria|marmitaria)\b"
)
_MINE = r"(minha|nossa|meu|nosso)"
_COURIER = r"\b(motoboy\w*|entregador\w*|motoqueir\w*|motoca\w*|moto ?taxi|moto ?boy\w*)\b"
_BIKE = r"(moto|bike|bicicleta|bi[sz]|cg|titan|fan|scooter)\b"
_PARCEL = r"\b(pedido|entrega|encomenda|pacote|lanche|comida)\b"
_THING_TO_CARRY = r"(documento\w*|encomenda\w*|pacote\w*|caixa\w*|presente\w*|flores|bolo\w*|envelope\w*|chave\w*|remedio\w*|compra\w*)"
_US = r"\b(voces?|vcs?|a pyloto)\b"

# --- the wishes -------------------------------------------------------------------------------------------------------
_JOIN_AS_DRIVER = (
    r"\b(ser|virar|viro|trabalh\w+|tramp\w+|cadastr\w+|inscrev\w+|vagas?|seja|me torn\w+|entrar (de|como))\b.{0,30}"
    rf"({_COURIER}|\bentreg(a|as|ando)\b|\bde (moto|bike|bicicleta)\b)"
)
# Said so that no shop and nobody who needs a courier says it.
_SURELY_DRIVER = (
    rf"\b(me cadastr\w+|cadastrar-me) (pra|para) (entregar|fazer entregas?)\b(?! ([ao]s? |d[aeo]s? )?(meu|minha|nosso|nossa|uma?\b))"
    rf"|\b(quero|queria|gostaria de|posso|da pra) (entregar|rodar|fazer entregas?) (de|com (a )?(minha|meu)) ({_BIKE}|carro\b)"
    rf"|\b(sou|trabalho (de|como)) {_COURIER}"
    rf"|\bquero se {_COURIER}|\bfaco (as )?entregas? (de|com (a )?minha) {_BIKE}"
    rf"|\b(servico|trabalho|vagas?|trampo|emprego|bico|anuncio)( de (voces|vcs))? (pra|para) {_COURIER}|\b(vagas?|trampo|emprego|bico) (de|como) {_COURIER}"
    rf"|\b(quero|queria|gostaria de|da pra|posso) (\w+ ){{0,2}}(extra|renda|grana|dinheiro|trampo|bico) (com|fazendo) ((a )?minha {_BIKE}|entregas?\b)"
    r"|\b(quero|queria|gostaria de|posso|interesse em|interessad[oa] em|vontade de)( era| mesmo)? fazer (((as|minhas) )?(entregas|corridas)\b(?! d[aeo]s? (meus?|minhas?|nossos?|nossas?)\b)|(umas|algumas|uns) (entregas?|corridas?)\b"
    rf"|(entregas?|corridas?) (com (a )?minha|de) {_BIKE}|entrega([.! ]*$| (pra|para|com) {_US}))"
    rf"|\b(quero|queria|querendo|gostaria de)( \w+)? ((entregar|rodar|dirigir) (com|junto com)|(entregar?|rodar|dirigir) (pra|para)) {_US}(?! (um|uma|o|a)\b)"
    r"|\b(fazer parte d|entrar n)([ao] (equipe|time|grupo) de|os?) (entregadores|entregas?|motoboys?)\b"
    rf"|({_US}|\b(tao|estao)\b)( \w+){{0,2}}? (precisa(m|ndo)?( de)?|contrata(m|ndo)?|procura(m|ndo)?|pegando|aceitando)( (um|uns|mais))? {_COURIER}"
)
_IS_DRIVER = (
    rf"\b(pra|para) fazer (as )?entregas\b(?! d[aeo]s? (meus?|minhas?|nossos?|nossas?)\b)|\b(contratando|pegando|aceitando|precisa(m|ndo) de) ({_COURIER})"
    rf"|\btenho (uma |minha )?{_BIKE}.{{0,20}}\b(quer\w*\b(?! (vender|trocar|alugar|comprar)\b)|procur\w*|precis\w*|trabalh\w*|entreg\w*|vagas?)"
)
_JOIN_AS_SHOP = (
    rf"\b(sou lojista|cadastr\w+ ([ao] )?{_MINE} {_SHOP}|(por|po|colocar|botar|incluir) ([ao] )?{_MINE} {_SHOP} (no|na|com) (pyloto|{_US})"
    rf"|(to|estou|ta|esta|estamos|fiquei|ficamos) sem {_COURIER}|(alguem|gente|quem|{_COURIER}) (pra|para|que) (\w+ )?entreg\w+ ([ao]s )?(meus|minhas|nossos|nossas) \w+"
    r"|entregas? ((para|pra|da|na|do|no|pro) (a |o )?(minha|meu|nossa|nosso)|(dos|das|de) (meus|minhas|nossos|nossas))\b"
    r"|(faz|fazem|faca|facam|fizessem?) (as )?(minhas|nossas) entregas|cadastro (de|como|pra|para) lojista|parceria.{0,20}entreg|entreg\w+.{0,20}parceria)"
)
# Day by day: a shop's deliveries, and nobody's parcel.
_REGULARLY = (
    rf"\b(precis\w+|quero|queria|procur\w+|gostaria)\b.{{0,60}}(\bentreg(ar|ue|uem|asse|assem)\b|\b(de|quero|queria) entregas?\b|{_COURIER}).{{0,60}}"
    r"\b(todo (santo )?dia|todos os dias|toda semana|diari\w+|por (dia|semana|mes)|mensa(l|is)|fix[oa]s?|de segunda a \w+)\b"
    r"|\bterceiriz\w+.{0,15}\bentregas?\b|\bparceria (pra|para|de|nas|com) (as )?entregas?\b"
)
_ORDER = (
    r"\b(precis\w+|quero|queria|cham\w+|mand\w+|ped(ir|e|i)|solicit\w+|tem como|arrum\w+|consegue\w*|tem|me ve|necessito|envi\w+)\b"
    rf".{{0,30}}({_COURIER}|\b(entrega|frete|corrida|coleta|retirada|tele ?entrega)\b)"
    rf"|\bmeu {_COURIER}.{{0,40}}\bprecis\w+ de (alguem|outr[oa]|uma?)\b"
)
_CARRY = (
    r"\b(precis\w+|quero|queria|tem como|da (pra|para)|podem?)\b.{0,15}"
    r"(\b(buscar|levar|entregar|retirar|coletar)(em)? (um|uma|uns|umas|o|a|isso|esse|essa|meu|minha)\b"
    rf"|\b(mandar|enviar|despachar) (um|uma|uns|umas|o|a|esse|essa|meu|minha) {_THING_TO_CARRY})"
    r"|\b(precis\w+|quero|queria) que (alguem|voces?|vcs?) (busque|pegue|leve|retire|colete|(busca|pega|leva|retira|coleta)sse)m?\b(?! (o |esse )?(meu |nosso )?(contato|numero|telefone|caso)\b)"
    rf"|\b(precis\w+|quero|queria) que (busque|pegue|leve|retire|colete|traga)m? (um|uma|o|a|meu|minha) {_THING_TO_CARRY}"
    r"|\balguem (pode|podia|poderia|consegue) (me )?(trazer|buscar|levar|pegar)\b.{0,20}\b(pra mim|para mim|aqui|em casa|minha)\b"
    rf"|{_US} (pega|busca|leva|retira|traz|traze)m? ((um|uma|uns|umas|o|a|meu|minha) )?{_THING_TO_CARRY}\b"
)
_WHAT_TO_CARRY = r"\bquanto (fica|custa|sai|e|cobram?)\b.{0,15}\b(levar|buscar|entregar?|mandar|trazer|pegar) (um|uma|uns|umas|o|a|meu|minha)\b(?! (e-?mails?|mensage(m|ns)|sms|zap|whats\w*|link|convite|newsletter|campanha)\b)"
_WHERE_IS = (
    r"\b(cade|onde (esta|ta|anda)|acompanh\w+|rastre\w+|status|atras\w+|nao chegou|demor\w+|chega que horas)\b"
    rf".{{0,30}}({_COURIER}|{_PARCEL})|{_PARCEL}.{{0,25}}\b(nao chegou|atras\w+|demor\w+|cade|sumiu)\b"
)
_NOT_OF_ANY_DELIVERY = r"^(?!.*\bquanto tempo (demora|leva)\w* (a|as|uma) entregas?\b(?! d[oa] (meu|minha)))"
_DELIVERS = rf"{_US}.{{0,15}}\bentreg(am|a|as)\b|^(oi |ola )?(faz|fazem|tem) entregas?\b"
_BOT = (
    r"\b(chat ?bots?|atendimento (automatic\w+|automatizad\w+|inteligente|virtual|24 ?h\w*)|saas|bot|robo\w*|(assistente|atendente) virtual"
    r"|(plataforma|servico|solucao) de comunicacao\b(?! interna)|pyloto da (minha|sua) comunicacao)\b"
)
_TIRED_OF_ROBOTS = r"\b(cansei|cansad[oa]|chega|fart[oa]|odeio|detesto|nao (aguento|suporto)( mais)?)( de)?( falar com)?( um| o| esse| este)? (robo|bot|maquina)\b"
_NOT_ABOUT_OTTO = (
    r"^(?!.*\b(voce|vc|vcs|voces|tu|isso|aqui|falando com|falar com|nao quero|seu|esse|este|(?<!quero )(?<!queria )que|maldito)\b.{0,20}\b(bot|robo\w*|chat ?bot)\b)"
    r"(?!.*\b(bot|robo\w*) (de merda|burr\w+|idiota|lixo|inutil)\b)"
    r"(?!.*\b(bot|robo\w*|virtual) (de voces|de vcs|da pyloto) (e|eh|ta|esta|nao|travou)\b)"
    rf"(?!.*{_TIRED_OF_ROBOTS})"
)
_BETTER_SERVICE = (
    r"\b(automatiz\w+|automac\w+|inteligencia artificial|ia|robo|bot|organiz\w+|melhor\w+|centraliz\w+|unific\w+|pyloto|nao (dou|damos) conta"
    rf"|(atend|respond)\w+ {_CUSTOMERS})\b.{{0,40}}{_CHANNEL}"
    rf"|{_CHANNEL}.{{0,40}}\b(automatic\w+|automatiz\w+|sozinho|inteligencia artificial|24 ?h\w*|bagunca|baguncad\w+"
    r"|perd\w+ (clientes|vendas|mensagens)|nao (dou|damos|da|do) conta)\b"
    rf"|\b(perco|perdemos|perdendo|perder|perde)( \w+)? (client\w+|vendas?|mensage(m|ns)).{{0,15}}{_CHANNEL}|\bnao (consigo|conseguimos|da pra) (responder|atender) (todo mundo|todos|tod[oa]s os|os clientes)"
    rf"|\bnao (dou|damos|da|do) conta de (responder|atender)|\bautomatizar (o )?(meu |nosso )?atendimento"
)
_HIRE_PYLOTO = (
    r"\bpyloto (da|pra|para) (a )?comunicacao\b|\bpyloto (da|na|no|para|pra) (a |o )?(minha|meu|nossa|nosso)\b"
)
_ELSEWHERE = (
    r"\b(piada|receita de|previsao do tempo|vai chover|capital d[aeo]|horoscopo|signo|resultado d[aeo] (jogo|loteria|mega)"
    r"|mega ?sena|loteria|jogo do bicho|quem ganhou|tigrinho|aposta\w*|poema|letra d[aeo] musica|tradu(z|c)\w+|emprestimo"
    r"|emagrec\w+|namor\w+|nudes?|sexo|crush|cripto\w*|bitcoin|remedio para|diagnostico|dever de casa"
    r"|(voces|vcs) (conserta|arruma|aluga)m? (computador|celular|tv|televisao|geladeira|carro|moto|casa)\w*|trabalho da (escola|faculdade)|presidente d[ao]|em quem votar|politica|comprar (maconha|droga\w*|arma\w*)"
    r"|compr\w+ (maconha|droga\w*|cocaina|arma\w*)"
    r"|ganhar dinheiro (facil|rapido)|vende(m)? (pizza|lanche|roupa|comida|celular|moto|carro)s?|alugar|aluguel"
    r"|comprar (um |uma )?(celular|moto|carro|casa|pizza|roupa))\b"
)
# A shop that needs a courier now asks for a delivery, and so does who wants something brought from a shop.
_SHOP_NOT_NOW = (
    r"^(?!.*\bagora\b)(?!.*\b(buscar|busca|pegar|pega|retirar|comprar|trazer)\b.{0,25}\bn[ao] (farmacia|loja|mercad\w+"
    r"|restaurante|lanchonete|padaria|pizzaria))"
)
_NO_SHOP_OF_MINE = (
    rf"\bquer\w+ (ser|virar|me tornar) (um )?{_COURIER}|^(?!.*\b({_MINE}|tenho (um|uma)|don[oa] d\w+( uma?)?) {_SHOP})"
)
_UNWANTED = (  # "não quero ser entregador", "não preciso de sistema"; of "não quero um site caro" a site is wanted
    rf"\bnao (quero|precis\w+)( ser| mais| de| uma?){{0,3}} ({_COURIER}|{_SOFTWARE})"
    r"(?=[ .;!?]*$|[ ,.;!?]+(mas|nao|so|quero|preciso|obrigad\w+)\b)"
    rf"|\bnao sou( um| mais)? {_COURIER}(?=[ .;!?]*$|[ ,.;]+(so|sou|nao)\b)|\bja sou {_COURIER} (de voces|de vcs|da pyloto|ai)\b"
)


@dataclass(frozen=True)
class Rule:
    """A text that matches all of the patterns speaks of the intent, this surely."""

    intent: Intent
    confidence: float
    patterns: tuple[str, ...]


_RULES = (
    Rule(Intent.PYLOTO_ENTREGA_DRIVER_SIGNUP, 0.95, (_JOIN_AS_DRIVER, _NO_SHOP_OF_MINE)),
    Rule(Intent.PYLOTO_ENTREGA_DRIVER_SIGNUP, 0.915, (_SURELY_DRIVER,)),
    Rule(Intent.PYLOTO_ENTREGA_DRIVER_SIGNUP, 0.9, (_IS_DRIVER,)),
    Rule(Intent.PYLOTO_ENTREGA_MERCHANT_SIGNUP, 0.92, (_SHOP, rf"\bentreg\w+\b|{_COURIER}", _WISH, _SHOP_NOT_NOW)),
    Rule(
        Intent.PYLOTO_ENTREGA_MERCHANT_SIGNUP,
        0.915,
        (rf"\b(aqui e|sou|falo) d[aeo] {_SHOP}", r"\bentreg\w+", _SHOP_NOT_NOW),
    ),
    Rule(
        Intent.PYLOTO_ENTREGA_MERCHANT_SIGNUP, 0.912, (_REGULARLY, rf"^(?!.*\b(tenho|com)( uma| a)?( minha)? {_BIKE})")
    ),
    Rule(Intent.PYLOTO_ENTREGA_MERCHANT_SIGNUP, 0.9, (_JOIN_AS_SHOP,)),
    Rule(Intent.PYLOTO_ENTREGA_REQUEST, 0.92, (_WHERE_IS, _NOT_OF_ANY_DELIVERY)),
    Rule(Intent.PYLOTO_ENTREGA_REQUEST, 0.91, (_WHAT_TO_CARRY,)),
    Rule(Intent.PYLOTO_ENTREGA_REQUEST, 0.91, (_ORDER,)),
    Rule(Intent.PYLOTO_ENTREGA_REQUEST, 0.85, (_CARRY,)),
    Rule(Intent.PYLOTO_ENTREGA_REQUEST, 0.75, (_DELIVERS, rf"^(?!.*{_SOFTWARE})")),
    Rule(Intent.SAAS_COMMUNICATION, 0.95, (_BOT, _NOT_ABOUT_OTTO)),
    Rule(Intent.SAAS_COMMUNICATION, 0.94, (_BETTER_SERVICE,)),
    Rule(Intent.SAAS_COMMUNICATION, 0.9, (_HIRE_PYLOTO,)),
    Rule(Intent.CUSTOM_SOFTWARE, 0.93, (_SOFTWARE, _WISH)),
    Rule(Intent.CUSTOM_SOFTWARE, 0.93, (_AUTOMATE,)),
    Rule(Intent.CUSTOM_SOFTWARE, 0.75, (_SOFTWARE,)),
)

# --- the rest ---------------------------------------------------------------------------------------------------------
_VERBS_OF_OURS = (
    r"(tem|fazem|trabalha[mr]?|atendem?|aceitam?|emitem?|ficam?|oferecem?|dao|possuem|usam|existem?"
    r"|parcelam?|cobram?|pagam?)"
)
_FOR_PEOPLE = (
    r"\b(cnpj|advogad\w+|judicial\w*|juridic\w+|lgpd|meus dados|reclamac\w+|reclamar|procon|reembols\w+|(cancelar|revisar|rescindir|renovar|quebrar) (o |meu |nosso |um )?contrato"
    r"|cobrad[oa] (errad[oa]|a mais|duas vezes|indevid\w+)|cobranca (errada|indevida|duplicada|a mais)|cobraram (errado|a mais)"
    r"|negoci(ar|acao)|desconto\w*|boleto|fatura|nota fiscal|curriculo|vagas? de emprego|emprego|estagio"
    r"|trabalhar (ai|com voces|com vcs|na pyloto)|don[oa]s? d(a pyloto|a empresa de (voces|vcs))|process(ar|o|aria) (voces?|vcs?|judicial|a pyloto|a empresa))\b"
)
_ABOUT_US = rf"\b(voces|vcs|a pyloto|pyloto)\b.{{0,12}}\b{_VERBS_OF_OURS}\b.*|{_FOR_PEOPLE}"
_PERSON = (
    r"(pessoa|humano|humana|atendente|alguem|gente|consultora?|vendedora?|responsavel|equipe|suporte|time"
    r"|ser humano|atendimento humano)"
)
_BOSS = r"(don[oa]|gerente|supervisora?|chef[ea]|comercial)"  # of ours, where one is to be spoken with
_TALK_TO = (
    r"\b(fal(ar|o|e|em|a)|convers(ar|o)|atendid[oa]|atendimento|transf\w+|passa\w*|contato|encaminh\w+)\b( \w+){0,2}?"
    rf" (com|por|para|pra)( (um|uma|o|a|algum|alguma|os|as|outra|seu|sua))?( outra)? ({_PERSON}|{_BOSS})\b"
)
_JUST_PERSON = rf"^(e |ola |oi )?(um |uma |o |a |com )?{_PERSON}(,? (real|de verdade|human[oa]))?(,? (por favor|pf|pfv|agora|ja))?[.!]*$"
_WANT_PERSON = (
    r"\b(quero|queria|preciso de|chama|cade|prefiro|me ve|tem) (um |uma |o |a |algum )?"
    r"(atendente|humano|ser humano|pessoa (real|de verdade))\b(?! (virtual|automatic\w+|eletronic\w+))|\batendimento (humano|com (um )?humano)\b"
    r"|\b(quero|queria|prefiro) (so |falar |e )?(uma )?(pessoa|humano)( (ja|agora|mesmo|por favor|pfv?)| ((pra|para|que) )?me (atend|ajud|explic)\w+)*[ .!]*$"
    r"|\btem alguem (ai )?(de verdade|real|humano|(pra|para|que) me (ajud|atend)\w+)|(^|[,.!?;] ?|\b(entao|favor) )cham[ae] alguem\b"
    rf"|(^|\b(otto|entao|favor|ola|oi|moc[oa]),? |\bme )((passa|passe|transfere|transfira|encaminha|encaminhe)( (pr[oa]|(para|pra) (o|a|um|uma)|um|uma|o|a))?"
    rf"|cham[ae] (o|a|um|uma)|(da pra|podem?|poderia|tem como) chamar( um| uma)?) ({_PERSON}|{_BOSS})( (ai|aqui|agora|logo|da equipe|por favor|pfv?))*[ .!?]*$"
    r"|\balguem (ai )?((pode|poderia|consegue) )?me (ajud|atend)\w+( (aqui|ai|nisso|com isso|agora|por favor|pfv?))*[?.! ]*$"
)
_OTHER_TONGUES = (
    r"^((i )?(want|need) (to )?|quiero |necesito )?((talk|speak) (to|with) |hablar con )?(an? |una? |el |la )?(real )?"
    r"(human|person|agent|operator|representative|persona|agente|asesora?)( please| por favor)?[.!?]*$"
)
_NO_MACHINE = r"\bnao quero (mais )?(falar )?(com )?(um |o |esse |este )?(robo|bot|maquina|ia)\b"
_CALL_ME = r"\b(podem?|pode|da pra|quero que) me (ligar|liga|liguem)\b|\bme (liga|ligue|liguem)\b"
_HUMAN = (_TALK_TO, _JUST_PERSON, _WANT_PERSON, _NO_MACHINE, _TIRED_OF_ROBOTS, _CALL_ME, _OTHER_TONGUES)
_NOT_HUMAN = (  # declined, or part of what a product should do ("que o cliente possa falar com um atendente")
    rf"\b(nao (quero|precisa|preciso|precisa de)|sem)( (?!(quero|queria|prefiro)\b)\w+){{0,2}} (fal(ar|e)|{_PERSON})\b(?!.*\b(robo|bot|maquina))",
    rf"\b(clientes?|usuarios?|alunos?|pacientes?|(que|pra|para) (ele|ela|eles|o app|o sistema|o bot))\b.{{0,30}}\b(fal(ar|am?|em|e)|conversar|conversem?)\b.{{0,12}} {_PERSON}\b",
    rf"^(?!.*\b(quero|queria|preciso|posso|gostaria|podia)\b).*\bfalar com (um |uma |o |a )?{_PERSON} (pelo|por|no|via) (chat|app|aplicativo|site|sistema)\b",
    # Somebody of their own, who is asked first.
    rf"\b(vou|tenho (que|de)|deixa eu|preciso)( ter que| primeiro| antes)? (falar|conversar|ver) com (o |a )?{_BOSS}\b.{{0,25}}\b(antes|primeiro|aqui|depois|e te|daqui)\b",
    rf"\b(vou|tenho (que|de)|deixa eu)( ter que)? (falar|conversar|ver) com (o |a )?{_BOSS}\b",
)
_DECLINES_HUMAN = rf"\bnao (quero|precis\w+) falar com (um |uma |o |a )?{_PERSON}\b|\bprefiro (falar com |continuar com )?(voce|vc|o robo|o bot|o otto)\b"
_URGENT = (
    r"\b(urgente\w*|urgencia|agora mesmo|pra ontem|(quanto|qto|qnto) antes|mais rapido possivel|imediat\w+|emergencia|asap|correndo"
    r"|(precis\w+|quero|chama|manda)\b[^,.;]{0,40}\b(agora|hoje|ja)|(ainda|para|pra) hoje)\b|\bagora[ .!]*$"
)
_NOT_URGENT = (  # a denial, and how things are done today
    r"\b(nao|nem|sem|nada|pouco|nenhuma?)( (e|eh|ta|esta|tem|tenho|temos|ha|nada|tao|muit[oa]|tanta|nenhuma|mais|precisa|preciso|quero|ser|sei|se"
    r"|assim|la|pra|para|com|de|caso)){0,4} (urgen\w+|pressa|correndo|ontem|imediat\w+|emergencia|agora|hoje|ja)\b"
    r"|\bnao (preciso|precisa|precisamos|quero|queremos) (disso|dele|dela|isso|nada|del[ea]s)( pra| para)? (agora|hoje|ja)\b"
    r"|\bhoje (em dia|(eu |a gente |nos |so )?(e tudo|e no|uso|usamos|usa|faco|fazemos|faz|anot\w+|control\w+|esta|ta|fica|tentei))\b"
    r"|\bagora (eu |a gente |nos |so )?(e tudo|e no|uso|usamos|usa|anot\w+|control\w+)\b"
    r"|\bja (que|(eu |a gente |nos )?(uso|usamos|usei|tenho|temos|tive|tivemos|faco|fazemos|fiz|esta|ta|tent\w+|sei|vi|pedi|falei))\b"
)
_DECIDES = (
    r"\b(sou|aqui e)( o| a| um| uma)?( \w+)?\b.{0,12}\b(don[oa]|proprietari[oa]|soci[oa]|fundadora?|gerente|diretora?|ceo"
    r"|responsavel|gestora?|empresari[oa])\b|\b(minha|nossa) (empresa|loja|clinica|padaria|oficina|academia|pizzaria|escola"
    r"|floricultura|farmacia|hamburgueria|doceria|lanchonete|imobiliaria|distribuidora|confeitaria)\b"
    r"|\b(meu|nosso) (negocio|restaurante|comercio|escritorio|salao|mercado)\b|\btenho (uma|um) (empresa|loja|negocio|comercio"
    r"|pizzaria|padaria|restaurante|lanchonete|mercad\w+|farmacia|clinica|oficina|escola|academia|salao|floricultura|doceria|hamburgueria)\b"
)
_NOT_DECIDES = (
    r"\bnao sou (eu )?(o |a |quem |uma? )?(don[oa]|proprietari[oa]|soci[oa]|gerente|diretora?|responsavel|chef[ea]|decid\w+)\b"
    r"|\b(sou|aqui e|aqui fala)( so| apenas| uma?| o| a){0,2} (funcionari[oa]|secretari[oa]|recepcionista|auxiliar|estagiari[oa]|atendente)\b"
    r"|\b(meu|minha) (chef[ea]|patrao|patroa)\b|\bquem (decide|manda|resolve) (e|eh) (?!eu\b|a gente\b)"
)
_SITE_OF_OURS = (  # "qual o site?", "o sistema de vocês caiu"
    r"\b(o|qual|tem|link d[oe]) site\b(?! (para|pra|que|com))|\b(sistema|site|app|aplicativo) (de voces|de vcs|da pyloto) (\w+ )?(caiu|nao|travou|deu|fora)\b"
)
_QUESTION = (
    r"(e |mas |oi,? |ola,? )?(qual|quais|que|o que|oq|onde|quando|quant[oa]s?|qto|qnto|como|quem|vcs?|voces?|por ?que|pq|(pra|para) que"
    r"|tem como|(so )?me (passa|passe|fala|fale|diz|diga|informa|explica|responde)|fala logo|(quero|queria|gostaria de) saber)\b"
)
# What is said to make Otto another one, or to have him tell how he is made.
_TAMPERS = (
    r"\b(ignor[ea]m?|esque[cç]am?|desconsidere|desobedeca|ignore|disregard|forget|override)\b.{0,40}"
    r"\b(instruc\w+|instruct\w+|regras|rules|comandos?|orientac\w+|prompt|previous|anterior\w*|acima)\b"
    r"|\b(system|developer) prompt\b|\bprompt d[eo] sistema\b|\b(seu|teu|your) prompt\b|\bjailbreak\b|\bmodo (desenvolvedor|dan)\b"
    r"|\b((voce|vc|tu) agora (e|eh)|agora (voce|vc|tu) (e|eh)|(aja|atue) como|finja (ser|que)|you are now|act as|pretend to be)\b"
    r"|\b(repita|repete|mostre|revele|copie|transcreva)\b.{0,30}\b(acima|su[ao]s? (instruc\w+|regras|configurac\w+))"
    r"|^\W*(system|assistant|admin|developer) ?:"
)
_INSULTS = (
    r"\b(vsf|vtnc|tnc|fdp|pqp|foda-?se|vai? (se (f[ou]d\w+|ferrar|danar|lascar)|tomar no|a merda|pro inferno|pra puta)|vao se (f[ou]d\w+|ferrar|danar)"
    r"|(merda|bosta|porcaria) de (robo|bot|atendimento|empresa)|lixo de (robo|bot|atendimento)|filh[oa]s? da puta|(robo|bot|atendimento|empresa|lixo) (burr\w+|lixo|idiota|inutil|ridicul\w+|de (merda|bosta|atendimento))"
    r"|(voce|vc|tu|voces|vcs|isso) (e|eh|sao) (mesmo )?(um |uma |uns |umas )?(burr\w+|lixos?|idiotas?|imbeci\w+|otari\w+|incompetentes?|inutei?s|inutil"
    r"|ridicul\w+|palhac\w+|merdas?|bostas?|ladr\w+|golpistas?)|(bando de|seus?|suas?) (burr\w+|lixos?|idiotas?|imbeci\w+|otari\w+|incompetentes?"
    r"|ladr\w+|palhac\w+|vagabund\w+))\b"
)
_GREETING = (
    r"((oi+e?|ola|opa|e ai|eai|bom dia|boa tarde|boa noite|hey|hello|alo|tudo (bem|bom)|td bem|blz|beleza|salve|otto|pessoal"
    r"|(muito )?obrigad[oa]|(mt |mto )?obg|valeu|vlw|ok|certo|entendi|ta bom|voltei|ah|ta|(tem )?alguem (ai|online))[ ,!?.]*)+"
)
# Leaves, or lets us wait; what an answer to a question of ours may be ("até amanhã", "depois") is none.
_LEAVES = (
    r"(tchau(zinho)?|xau|falou|flw|fui|ate (logo|mais|breve|a proxima)"
    r"|(mais tarde|depois|amanha) (eu )?(volto|continuo|(te )?(respondo|falo|chamo|retorno)|a gente (se )?fala)"
    r"|(eu )?(ja )?(volto|continuo|(te )?(respondo|chamo|falo|retorno)) (depois|mais tarde|logo|amanha|ja)"
    r"|(eu )?(to|estou) (muito |meio )?ocupad[oa]|agora (eu )?nao (posso|da|consigo)|(preciso|tenho que|vou ter que) sair)"
)
_BEFORE_LEAVING = r"(ok|ta( bom)?|bom|entao|hj|hoje|agora|mas|e|que|(muito )?obrigad[oa]|valeu|vlw|por (hoje|enquanto)|no momento|dia|boa (tarde|noite))"
_GOODBYE = rf"({_BEFORE_LEAVING}[ ,!.]+)*{_LEAVES}([ ,!.]+({_LEAVES}|{_BEFORE_LEAVING}))*[ ,!.]*"
_GRIEVANCES = (
    r"\b(process(ar|o|arei) (voces?|vcs?|a pyloto)|meu advogado|no procon|apag(ar|uem|a|ue) (todos )?(os )?meus dados"
    r"|exclu(ir|am|a) (todos )?(os )?meus dados)\b"
)
_THANKS = r"\b(obrigad\w+|brigad\w+|obg\w*|valeu|vlw|agradec\w+|grat[oa])\b"
# A question of the customer's own; a trial answer ("em Castro?") is none.
_MAY_IT = (
    r"^((e|mas) )?(da|tem como|teria como|tem jeito d[eo]|consegue|pode|rola)\b(?! (me|ver|saber|falar|ajudar|ligar)\b)"
)
_ASKS = (
    rf"^((e|mas|oi|ola|opa|ah|entao|so|uma duvida),? )*(qual|quais|o que|oq|onde|quando|quant[oa]s?|como|por ?que|pq|{_US}"
    r"|(e|eh) (seguro|verdade|caro|confiavel|obrigatorio|gratis|de graca|golpe|serio|possivel|preciso|isso)|da (pra|para)|tem|teria|precisa|pode(?! ser)|posso"
    r"|vai|vao|funciona\w*|aceita\w*|integra\w*|demora\w*|consigo|consegue\w*|sera|existe|rola)\b[^,.;]*\?[ ?!]*$"
)
_ALSO = r"\b(?:tambem|tbm|tb|alem d\w+|e ainda|outra coisa)\b"  # what stands on its two sides are two wishes


# What stands before and after it may be two wishes as well, if each is one by itself.
_AND = r"(?:\be|,) (?=(?:eu )?(?:quero|preciso|queria|gostaria)(?: de)? (?:uma?|ser|virar|trabalhar|cadastrar (?:a )?(?:minha|nossa))\b|de uma? )"


def classify(message: str) -> AIResponse:
    """What the rules recognise in a message; no intent where they recognise none."""
    text = normalise(message)
    return AIResponse(
        intents=_intents(text),
        wants_human=_wants_human(text),
        urgent=_is_urgent(text),
        decision_maker=bool(re.search(_DECIDES, text)) and not re.search(_NOT_DECIDES, text),
        prompt_version=VERSION,
    )


def is_question(message: str) -> bool:
    folded = fold(message)
    return ("?" in folded and len(folded.split()) > 1) or bool(re.match(_QUESTION, folded))


def is_urgent(message: str) -> bool:
    return _is_urgent(normalise(message))


def _is_urgent(text: str) -> bool:
    return bool(re.search(_URGENT, re.sub(_NOT_URGENT, " ", text)))


def is_small_talk(message: str) -> bool:
    """Whether a message says hello, thanks or "ok", and nothing else."""
    folded = fold(message)
    return len(folded) <= SMALL_TALK_MAX and bool(re.fullmatch(_GREETING, folded))


def is_thanks(message: str) -> bool:
    """Whether a message says thanks, and nothing else."""
    return is_small_talk(message) and bool(re.search(_THANKS, fold(message)))


def is_goodbye(message: str) -> bool:
    """Whether somebody leaves, and says nothing else."""
    folded = fold(message)
    return len(folded) <= SMALL_TALK_MAX and bool(re.fullmatch(_GOODBYE, folded))


def asks(message: str) -> bool:
    """Whether a message is one question to us and nothing besides."""
    return "\n" not in message.strip() and bool(re.search(_ASKS, fold(message)))


def asks_for(message: str) -> bool:
    """Whether such a question names what is wanted: "dá pra colocar login?"."""
    return asks(message) and bool(re.search(_MAY_IT, fold(message)))


def is_about_us(message: str) -> bool:
    """Whether a question is about what we have or are: nothing in it is told of the customer."""
    return asks(message) and bool(
        re.match(rf"(?:(?:e|mas|oi|ola),? )*{_US} (?:tem|tambem tem|sao|ficam|fica|estao)\b", fold(message))
    )


def declines_human(message: str) -> bool:
    """Whether a person is what is not wanted: "não quero falar com humano, prefiro você"."""
    text = normalise(message)
    return bool(re.search(_DECLINES_HUMAN, text)) and not _wants_human(text)


def is_insult(message: str) -> bool:
    """Whether somebody is insulted; what else a message may say is another question."""
    return bool(re.search(_INSULTS, fold(message)))


def is_grievance(message: str) -> bool:
    """Whether a message threatens with the law, or claims rights: a person's matter, whatever was asked."""
    return bool(re.search(_GRIEVANCES, fold(message)))


def tampers(message: str) -> bool:
    """Whether a message tries to give Otto other instructions, or asks for those that he has."""
    return bool(re.search(_TAMPERS, fold(message)))


def _wants_human(text: str) -> bool:
    return any(re.search(p, text) for p in _HUMAN) and not any(re.search(p, text) for p in _NOT_HUMAN)


def _intents(text: str) -> tuple[Detected, ...]:
    """The wishes, and beside them a question about the company; talk about anything else counts only alone."""
    if re.search(_TAMPERS, text):
        return (Detected(Intent.UNSUPPORTED, 0.9),)
    found: dict[Intent, float] = {}
    for part in re.split(_ALSO, text):
        for wish, confidence in _joined_wishes(part):
            if wish:
                found[wish] = max(confidence, found.get(wish, 0.0))
    if (not found or is_question(text)) and knowledge.find_answer(text, alone=not found):
        found[Intent.INSTITUTIONAL] = 0.9
    elif not found and re.search(_ELSEWHERE, text):
        found[Intent.UNSUPPORTED] = 0.8
    elif not found and re.search(_ABOUT_US, text):
        found[Intent.INSTITUTIONAL] = 0.6
    return tuple(
        Detected(intent, confidence) for intent, confidence in sorted(found.items(), key=lambda item: -item[1])
    )


def _joined_wishes(text: str) -> list[tuple[Intent | None, float]]:
    """The wishes that "e" or a comma joins, where each part is one of its own; else that of the whole."""
    joined = [_surest_wish(part) for part in re.split(_AND, text)]
    return joined if all(wish for wish, _ in joined) else [_surest_wish(text)]


def _surest_wish(text: str) -> tuple[Intent | None, float]:
    """One sentence mostly means one thing ("um app de entregas para minha loja"): what is recognised most surely."""
    text = re.sub(_UNWANTED, " ", text)
    if re.search(_SITE_OF_OURS, text) and not re.search(_WISH, text):
        return None, 0.0
    matching = [rule for rule in _RULES if all(re.search(pattern, text) for pattern in rule.patterns)]
    surest = max(matching, key=lambda rule: rule.confidence, default=None)
    return (surest.intent, surest.confidence) if surest else (None, 0.0)
