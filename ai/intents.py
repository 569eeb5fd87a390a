"""The intents: what a customer may want of the company."""

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
