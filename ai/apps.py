from django.apps import AppConfig


class AIConfig(AppConfig):
    name = "ai"
    verbose_name = "Inteligência"

    def ready(self) -> None:
        from . import privacy  # noqa: F401  (registers what it knows about people)
