from django.apps import AppConfig


class PylotoConfig(AppConfig):
    name = "pyloto"

    def ready(self) -> None:
        from .privacy import checks  # noqa: F401 - registers them
