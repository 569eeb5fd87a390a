"""The vocabulary of a conversation and the queue of intents of a session. Pure."""

from django.db.models import TextChoices


class Intent(TextChoices):
    ENTRY_UNKNOWN = "ENTRY_UNKNOWN", "Entrada"
    CUSTOM_SOFTWARE = "CUSTOM_SOFTWARE", "Sistemas sob medida"
    SAAS_COMMUNICATION = "SAAS_COMMUNICATION", "SaaS: o Pyloto da sua comunicação"
    PYLOTO_ENTREGA_REQUEST = "PYLOTO_ENTREGA_REQUEST", "Entrega: pedido"
    PYLOTO_ENTREGA_DRIVER_SIGNUP = "PYLOTO_ENTREGA_DRIVER_SIGNUP", "Entrega: quero ser entregador"
    PYLOTO_ENTREGA_MERCHANT_SIGNUP = "PYLOTO_ENTREGA_MERCHANT_SIGNUP", "Entrega: sou lojista"
    INSTITUTIONAL = "INSTITUTIONAL", "Institucional"
    UNSUPPORTED = "UNSUPPORTED", "Fora do escopo"


class Outcome(TextChoices):
    """`AWAITING_USER` is the outcome of a turn; the others end a session."""

    AWAITING_USER = "AWAITING_USER", "Aguardando o cliente"
    HANDOFF_HUMAN = "HANDOFF_HUMAN", "Encaminhado a uma pessoa"
    SELF_SERVE_INFO = "SELF_SERVE_INFO", "Informação dada"
    ROUTE_EXTERNAL = "ROUTE_EXTERNAL", "Canal externo"
    SCHEDULED_FOLLOWUP = "SCHEDULED_FOLLOWUP", "Retorno agendado"
    DUPLICATE_OR_SPAM = "DUPLICATE_OR_SPAM", "Duplicado ou spam"
    UNSUPPORTED = "UNSUPPORTED", "Fora do escopo"
    FAILED_INTERNAL = "FAILED_INTERNAL", "Falha interna"
