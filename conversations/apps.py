from django.apps import AppConfig


class ConversationsConfig(AppConfig):
    name = "conversations"
    verbose_name = "Atendimento"

    def ready(self) -> None:
        from audit import trails
        from pyloto.observability import health

        from . import checks  # noqa: F401  (registers them)
        from .services import trail
        from .services.sweep import check_oldest_due
        from .whatsapp import checks as whatsapp_checks  # noqa: F401

        trails.register_owner(trail)
        health.register("oldest_due", check_oldest_due)
