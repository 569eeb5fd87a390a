from django.apps import AppConfig
from django.db.models.signals import post_migrate


class DocumentsConfig(AppConfig):
    name = "pyloto.documents"
    label = "documents"
    verbose_name = "Documentos"

    def ready(self) -> None:
        from .embedded_indexes import after_migrate

        post_migrate.connect(after_migrate, sender=self)
