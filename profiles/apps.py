from django.apps import AppConfig


class ProfilesConfig(AppConfig):
    name = "profiles"
    verbose_name = "Clientes"

    def ready(self) -> None:
        from . import privacy  # noqa: F401  (registers what it knows about people)
