from django.apps import AppConfig


class DocumentsConfig(AppConfig):
    name = "pyloto.documents"
    label = "documents"
    verbose_name = "Documentos"
