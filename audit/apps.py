from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "audit"
    verbose_name = "Auditoria"

    def ready(self) -> None:
        from . import privacy  # noqa: F401  (registers what it knows about people)
