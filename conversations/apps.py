from django.apps import AppConfig


class ConversationsConfig(AppConfig):
    name = "conversations"
    verbose_name = "Atendimento"

    def ready(self) -> None:
        from audit import trails
        from pyloto.observability import health
        from pyloto.privacy import registry

        from . import checks, privacy  # noqa: F401  (they register what they hold)
        from .services import trail
        from .services.sweep import check_oldest_due
        from .stores import ConversationStore
        from .whatsapp import checks as whatsapp_checks  # noqa: F401

        trails.register_owner(trail)
        registry.register_conversations(ConversationStore().conversation_ids)
        health.register("oldest_due", check_oldest_due)
