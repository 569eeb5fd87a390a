"""The table of the embedded adapter. Nobody but `EmbeddedStore` reads or writes it."""

from django.db import models


class Document(models.Model):
    path = models.CharField(primary_key=True, max_length=6144)
    parent = models.CharField(max_length=6144)  # path of the collection
    collection_id = models.CharField(max_length=1500)  # last segment of the collection's path
    data = models.TextField()  # `codec`
    keys = models.TextField()  # JSON {field path: `sort_key` of the value}, maps and what they hold alike
    arrays = models.TextField()  # JSON {field path: [`sort_key` of each element]}
    created = models.BigIntegerField()  # microseconds since 1970
    updated = models.BigIntegerField()

    class Meta:
        # Others are made from the list of the queries: `embedded_indexes`.
        indexes = [models.Index(fields=["parent", "path"], name="documents_by_parent")]
