"""The project package: settings, URLs, Celery, and infrastructure that holds no business rule."""

from .celery import app as celery_app

__all__ = ["celery_app"]
