from django.apps import AppConfig


class ConversationsConfig(AppConfig):
    name = "conversations"
    verbose_name = "Atendimento"

    def ready(self) -> None:
        from pyloto.observability import health

        from .services.sweep import check_oldest_due

        health.register("oldest_due", check_oldest_due)
