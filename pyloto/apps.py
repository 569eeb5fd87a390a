from django.apps import AppConfig


class PylotoConfig(AppConfig):
    name = "pyloto"
