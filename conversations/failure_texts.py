"""Why a message did not arrive, in the words of those who answer customers. Pure.

Source of the codes: `whatsapp.errors`.
"""

from collections.abc import Mapping

from .models import Message, MessageState
from .outbox import is_undelivered
from .whatsapp.errors import ErrorClass, classify

REASONS = {  # Meta's codes, as staff should read them; all others by their class
    100: "o WhatsApp não aceita o conteúdo desta mensagem",
    190: "o acesso da empresa ao WhatsApp expirou",
    130429: "o WhatsApp limitou os envios da empresa",
    130472: "o WhatsApp não entrega esta mensagem a este cliente, por um experimento dele",
    131021: "o destinatário é o próprio número da empresa",
    131026: "o número não pode receber mensagens",
    131030: "este número não está na lista de testes da empresa",
    131031: "a conta da empresa no WhatsApp está bloqueada",
    131042: "há uma pendência de pagamento na conta do WhatsApp",
    131047: "passaram mais de 24 horas da última mensagem do cliente",
    131048: "o WhatsApp bloqueou os envios da empresa por denúncias de spam",
    131049: "o WhatsApp limitou os envios a este cliente",
    131050: "o cliente parou de receber mensagens desta empresa",
    131051: "tipo de mensagem não aceito",
    131053: "o WhatsApp não aceitou o arquivo",
    131056: "muitas mensagens em pouco tempo para este cliente",
    131062: "o cliente só pode ser alcançado pelo telefone, e não o conhecemos",
    137000: "o cliente trocou de aparelho e o WhatsApp pede que a identidade seja confirmada",
}
REASONS_BY_CLASS = {
    ErrorClass.RETRY: "o WhatsApp está sobrecarregado ou fora do ar",
    ErrorClass.FIX_ONCE: "o WhatsApp não aceitou a mensagem assim",
    ErrorClass.CHANGE_ROUTE: "o WhatsApp só aceita um modelo aprovado agora",
    ErrorClass.WAIT_LONG: "o WhatsApp não entrega a este cliente por enquanto",
    ErrorClass.CHANNEL_BROKEN: "o WhatsApp não aceita nada da empresa no momento",
    ErrorClass.AMBIGUOUS: "o WhatsApp falhou",
}


def failure_text(message: Message) -> str:
    """What an agent should know of an outbound message that did not arrive, or may not have; empty for all others."""
    if is_undelivered(message.status_at):
        return f"Não entregue: {_reason(message)}."
    match message.state:
        case _ if message.status_at:  # it arrived, or is on its way
            return ""
        case MessageState.FAILED:
            return f"Não entregue: {_reason(message)}."
        case MessageState.NEEDS_HUMAN:
            return "Não sabemos se esta mensagem chegou: o WhatsApp não confirmou. Reenvie, ou deixe assim."
        case MessageState.UNKNOWN:
            return "Ainda não sabemos se esta mensagem chegou: esperamos a confirmação do WhatsApp."
        case MessageState.CANCELLED if message.errors:  # it had failed, and a person decided about it
            return f"Não entregue: {_reason(message)}. Alguém da equipe já viu."
        case MessageState.CANCELLED:
            return "Não foi enviada, ou não há certeza de que chegou: a conversa seguiu sem ela."
        case MessageState.QUEUED if message.errors:
            return f"Ainda não saiu: {_reason(message)}. Tentamos de novo sozinhos."
    return ""


def _reason(message: Message) -> str:
    codes = [code for error in message.errors if isinstance(error, Mapping) and (code := error.get("code"))]
    for code in codes:
        if code in REASONS:
            return REASONS[code]
    if not codes:
        return "o WhatsApp recusou a mensagem"
    # As a status brings it: without an HTTP answer.
    return f"{REASONS_BY_CLASS.get(classify(codes[0]), 'o WhatsApp recusou a mensagem')} (código {codes[0]})"
