from django.apps import AppConfig


class ConversationsConfig(AppConfig):
    name = "conversations"
    verbose_name = "Atendimento"

    def ready(self) -> None:
        from .whatsapp import checks  # noqa: F401  (registers them)
