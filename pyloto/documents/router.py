"""Keeps the embedded documents in the database file of their own."""

from typing import Any


class DocumentsRouter:
    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        return "documents" if model._meta.app_label == "documents" else None

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return (db == "documents") == (app_label == "documents")
