"""What Otto says. Short, warm Brazilian Portuguese; every text that a customer reads stands here or in the flows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ai import knowledge

from .flows import Field, Flow
from .intents import Intent
from .whatsapp.messages import BUTTONS_MAX, INTERACTIVE_BODY_MAX, TEXT_MAX, Button, Row

HUMAN = "human"  # ids of buttons and rows: stable, since a tap on an old message returns them
MENU = "menu"
NEXT_YES, NEXT_NO = "next:yes", "next:no"
RETRY = "retry"
INTENT_PREFIX, FIELD_PREFIX = "intent:", "field:"

HUMAN_BUTTON = Button(HUMAN, "Falar com uma pessoa")
SHOWN_MAX = 80  # characters of an answer that is read back
_WEEKDAYS = ("segunda-feira", "terça-feira", "quarta-feira", "quinta-feira", "sexta-feira", "sábado", "domingo")


@dataclass(frozen=True)
class Reply:
    """One message of the bot: text, with up to three buttons, or with a list behind a button."""

    text: str
    buttons: tuple[Button, ...] = ()
    list_button: str = ""
    rows: tuple[Row, ...] = ()

    def after(self, *lead: str) -> "Reply":
        """The same with sentences in front; a lead too long for one message is cut, never the question."""
        limit = INTERACTIVE_BODY_MAX if self.buttons or self.rows else TEXT_MAX
        front = "\n\n".join(part for part in lead if part)
        room = limit - _units(self.text) - 2
        if _units(front) > room:
            front = front.encode("utf-16-le")[: 2 * (room - 1)].decode("utf-16-le", "ignore").rstrip() + "…"
        return Reply(f"{front}\n\n{self.text}" if front else self.text, self.buttons, self.list_button, self.rows)


def _units(text: str) -> int:
    """The length as `whatsapp.messages` counts it: an emoji is two."""
    return len(text.encode("utf-16-le")) // 2


MENU_ROWS = (
    Row(f"{INTENT_PREFIX}{Intent.CUSTOM_SOFTWARE}", "Sistemas sob medida", "Aplicativos, sites e sistemas feitos para o seu negócio"),
    Row(f"{INTENT_PREFIX}{Intent.SAAS_COMMUNICATION}", "Pyloto na sua empresa", "SaaS: o Pyloto da sua comunicação, atendendo a qualquer hora"),
    Row(f"{INTENT_PREFIX}{Intent.PYLOTO_ENTREGA_REQUEST}", "Pedir uma entrega", "Chamar um entregador ou saber de um pedido"),
    Row(f"{INTENT_PREFIX}{Intent.PYLOTO_ENTREGA_MERCHANT_SIGNUP}", "Entregas para minha loja", "Para quem tem um comércio e precisa entregar"),
    Row(f"{INTENT_PREFIX}{Intent.PYLOTO_ENTREGA_DRIVER_SIGNUP}", "Quero ser entregador", "Faça entregas com a gente"),
    Row(f"{INTENT_PREFIX}{Intent.INSTITUTIONAL}", "Conhecer a Pyloto", "Quem somos, onde ficamos e como falar com a gente"),
    Row(HUMAN, "Falar com uma pessoa", "Alguém da nossa equipe responde por aqui"),
)  # fmt: skip
_MENU_BUTTON = "Ver opções"
_WHAT_ABOUT = "Sobre o que você quer falar? Toque em *Ver opções* ou me conte com suas palavras."

INTENT_TITLES = {
    Intent.CUSTOM_SOFTWARE: "sistemas sob medida",
    Intent.SAAS_COMMUNICATION: "o Pyloto na sua empresa",
    Intent.PYLOTO_ENTREGA_REQUEST: "a sua entrega",
    Intent.PYLOTO_ENTREGA_DRIVER_SIGNUP: "o seu cadastro de entregador",
    Intent.PYLOTO_ENTREGA_MERCHANT_SIGNUP: "as entregas da sua loja",
    Intent.INSTITUTIONAL: "a sua dúvida sobre a Pyloto",
}

LATE = "Desculpe a demora: sua mensagem só chegou até nós agora. 🙏"
MISSED = "Desculpe, não entendi bem. 😅"
NOTED_FIRST = "Já anotei o que você contou."
NOTED_ALSO = "Anotei isso também; já chegamos lá."
GREETED = "Oi! Estou aqui. 😊"
WELCOME = "Por nada! 😊"
GOODBYE = "Até logo! 👋 Quando quiser continuar, é só me chamar."
GO_ON = "Então vamos continuar. 🙂"
INSULTED = "Sinto muito se a conversa não está boa. Quer que uma pessoa da equipe continue com você?"
ASKED_IN_VAIN = "Quer que uma pessoa da equipe continue com você?"
GRIEVANCE = "Esse assunto é melhor uma pessoa da nossa equipe tratar com você. Quer que eu chame?"
NOT_OURS = "Com isso eu não consigo ajudar: por aqui cuido só dos assuntos da Pyloto."
NOT_OURS_AGAIN = "Nisso eu não consigo mesmo te ajudar. 🙂 Meus assuntos são os da Pyloto."
NOT_OURS_END = NOT_OURS + " Se precisar de sistemas, atendimento pelo WhatsApp ou entregas, é só chamar!"
AGREED = "Combinado!"
_REFUSED = (
    "Sem problema, seguimos. 🙂",
    "Tudo bem, pulamos essa.",
    "Tranquilo, vamos à próxima.",
    "Ok, sem essa então.",
    "Sem problema nenhum.",
)
SORRY = "Sinto muito por isso."
AS_SAID = "Isso só a nossa equipe pode te dizer, e ela fala com você assim que terminarmos aqui. Se preferir, chamo uma pessoa já: é só pedir."
DECLINED = "Combinado! Quando quiser retomar, é só me chamar."
NO_DESK = "Entregas quem combina é a nossa equipe."
NO_ANSWER_YET = (
    "Essa eu deixo para a nossa equipe responder.",
    "Isso também fica para a nossa equipe, que sabe te responder direitinho.",
)
NO_ANSWER = "Esse assunto eu deixo com a nossa equipe: é melhor uma pessoa te responder."
CANCELLED = "Sem problema, deixei isso de lado."
CHANGED = "Sem problema, vamos mudar de assunto."
UNSUPPORTED_TYPE = "Esse tipo de mensagem eu ainda não consigo abrir por aqui."
_ACKNOWLEDGED = ("Anotado!", "Perfeito!", "Entendi!", "Ótimo, obrigado!", "Certo!")
_MEDIA = {
    "audio": "Recebi seu áudio e ele fica guardado para a equipe, mas eu ainda não consigo ouvir. Pode me escrever?",
    "image": "Recebi sua imagem e ela fica guardada para a equipe, mas eu ainda não consigo ver. Pode me contar por escrito?",
    "video": "Recebi seu vídeo e ele fica guardado para a equipe, mas eu ainda não consigo assistir. Pode me contar por escrito?",
    "document": "Recebi seu arquivo e ele fica guardado para a equipe, mas eu ainda não consigo ler. Pode resumir por escrito?",
    "sticker": "Boa figurinha! 😄",
    "location": "Recebi sua localização e ela fica guardada para a equipe.",
    "contacts": "Recebi o contato e ele fica guardado para a equipe.",
    "order": "Recebi seu pedido do catálogo e ele fica guardado para a equipe.",
}  # fmt: skip
MEDIA_TYPES = frozenset(_MEDIA)


def media_received(kinds: list[str]) -> str:
    """What is said to files without a text; of several kinds, one."""
    return _MEDIA[kinds[-1]]


def acknowledged(count: int) -> str:
    return _ACKNOWLEDGED[count % len(_ACKNOWLEDGED)]


def refused(count: int) -> str:
    return _REFUSED[count % len(_REFUSED)]


def noted(answers: Mapping[str, str]) -> str:
    """What was taken from a sentence, by the names that agents read, so that the customer can correct it."""
    return _read_back("Anotei", answers)


def corrected(answers: Mapping[str, str]) -> str:
    """What was changed, by the names that agents read, so that the customer sees that it arrived."""
    return _read_back("Certo, corrigi", answers)


def _read_back(lead: str, answers: Mapping[str, str]) -> str:
    """ "Anotei: Castro/PR (cidade).", or a line for each of several."""
    if len(answers) == 1:
        [(label, value)] = answers.items()
        return f"{lead}: {_short(value)} ({label.lower()})."
    return "\n".join([f"{lead}:", *(f"• {label}: {_short(value)}" for label, value in answers.items())])


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_MAX else text[: SHOWN_MAX - 1].rstrip() + "…"


def done(intent: str) -> str:
    """All is known about the one, and something else waits."""
    return f"Pronto, sobre {INTENT_TITLES[Intent(intent)]} já anotei tudo para a equipe. ✅"


def introduction() -> str:
    return "Oi! Eu sou o Otto, o assistente virtual da Pyloto. 👋"


def menu() -> Reply:
    """The presentation, in two lines, and the lines of business."""
    return Reply(f"{introduction()}\n{_WHAT_ABOUT}", list_button=_MENU_BUTTON, rows=MENU_ROWS)


def menu_after() -> Reply:
    """The same for a customer to whom Otto has presented himself already."""
    return Reply(_WHAT_ABOUT, list_button=_MENU_BUTTON, rows=MENU_ROWS)


def menu_back(*, kept: bool) -> Reply:
    """To a customer who was here a short while ago, in another session; `kept`: they had told us something there."""
    lead = "Oi de novo! 😊" + " O que você já me contou ficou anotado." * kept
    return Reply(f"{lead} {_WHAT_ABOUT}", list_button=_MENU_BUTTON, rows=MENU_ROWS)


def menu_again() -> Reply:
    return Reply(
        "Escolha uma das opções abaixo, ou me conte com outras palavras.", list_button=_MENU_BUTTON, rows=MENU_ROWS
    )


def ask_openly() -> Reply:
    """In the place of a menu that would come too late."""
    return Reply(
        "Aqui é o Otto, o assistente virtual da Pyloto. Ainda posso ajudar? Me conte em uma frase o que você precisa."
    )


def question(flow: Flow, field: Field, *, missed: bool = False) -> Reply:
    """The question of a field, with its choices as buttons, or as a list where they are many."""
    text = field.again if missed and field.again else field.question
    ids = [f"{FIELD_PREFIX}{flow.intent}:{field.name}:{i}" for i in range(len(field.choices))]
    choices = zip(ids, field.choices, strict=True)
    if len(field.choices) > BUTTONS_MAX:
        return Reply(text, list_button=_MENU_BUTTON, rows=tuple(Row(row_id, title) for row_id, title in choices))
    return Reply(text, buttons=tuple(Button(button_id, title) for button_id, title in choices))


def offer_human(
    why: str = "Acho que não estou conseguindo te entender. Quer que uma pessoa da equipe continue com você?",
) -> Reply:
    return Reply(
        why,
        buttons=(HUMAN_BUTTON, Button(RETRY, "Tentar de novo")),
    )


def ask_next(intent: str) -> Reply:
    return Reply(
        f"Você também falou sobre {INTENT_TITLES[Intent(intent)]}. Quer continuar com isso agora?",
        buttons=(Button(NEXT_YES, "Sim, continuar"), Button(NEXT_NO, "Agora não")),
    )


def no_room(intent: str) -> str:
    """To a fourth wish: a session serves three."""
    return (
        f"Vamos por partes, para não deixar nada para trás: deixei anotado que você também falou sobre {INTENT_TITLES[Intent(intent)]}, "
        "e quando terminarmos é só me chamar para cuidar disso."
    )


def already_noted(intent: str) -> str:
    """To a wish of which all is known already."""
    return f"Sobre {INTENT_TITLES[Intent(intent)]} já está tudo anotado para a equipe."


def route(desk: str) -> str:
    return f"Entregas são com o nosso pessoal da Pyloto Entrega, direto neste WhatsApp: {desk}. É só mandar uma mensagem lá. 🛵"


def route_reminder(desk: str) -> Reply:
    return Reply(
        f"Para a sua entrega, o caminho é o WhatsApp da Pyloto Entrega: {desk}. Lá o pessoal te atende rapidinho. 🛵",
        buttons=(HUMAN_BUTTON,),
    )


def routed_already() -> Reply:
    return Reply("Sobre a sua entrega, o pessoal continua com você naquele outro número. Se preferir, chamo uma pessoa da equipe por aqui.",
                 buttons=(HUMAN_BUTTON,))  # fmt: skip


def when_humans_answer(now: datetime) -> str:
    hours = knowledge.hours()
    if hours.is_open(now):
        return f"A equipe responde {hours.text}, então logo alguém fala com você."
    opening = hours.next_opening(now)
    days = (opening.date() - now.astimezone(hours.timezone).date()).days
    when = {0: "hoje", 1: "amanhã"}.get(days, f"na {_WEEKDAYS[opening.weekday()]}")
    minutes = f"{opening:%M}" if opening.minute else ""
    return f"A equipe responde {hours.text}: alguém fala com você {when}, a partir das {opening:%-Hh}{minutes}."


def handed_over(name: str, now: datetime, *, collected: bool) -> str:
    first = name.split(maxsplit=1)[0] if name.split() and name.split(maxsplit=1)[0].isalpha() else ""
    thanks = f"Obrigado, {first.capitalize()}! " if first else "Obrigado! "
    done = "Anotei tudo e passei para a nossa equipe." if collected else "Já passei sua conversa para a nossa equipe."
    return f"{thanks}{done} Uma pessoa vai continuar com você por aqui mesmo. {when_humans_answer(now)}"


def handed_over_after_pause(now: datetime) -> str:
    return f"O que conversamos já está com a nossa equipe: uma pessoa vai continuar com você por aqui mesmo. {when_humans_answer(now)}"


def failed(now: datetime) -> str:
    return f"Tive um probleminha por aqui, mas sua mensagem está guardada: uma pessoa da equipe vai te responder. {when_humans_answer(now)}"


def flooded(pause: timedelta) -> Reply:
    """To who wrote too much at once: the bot is silent from now on, for that long."""
    minutes = int(pause.total_seconds()) // 60
    how_long = "uma hora" if minutes == 60 else f"{minutes} minutos"
    return Reply(
        f"Recebi muitas mensagens seguidas e vou fazer uma pausa de {how_long}. O que você escreveu fica guardado: depois é só"
        " me chamar de novo, ou pedir para falar com uma pessoa."
    )


def still_waiting(now: datetime) -> Reply:
    return Reply(f"Recebi sua mensagem e ela já está com a equipe. 👍 {when_humans_answer(now)}")
