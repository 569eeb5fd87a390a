from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Document",
            fields=[
                ("path", models.CharField(max_length=6144, primary_key=True, serialize=False)),
                ("parent", models.CharField(max_length=6144)),
                ("collection_id", models.CharField(max_length=1500)),
                ("data", models.TextField()),
                ("keys", models.TextField()),
                ("arrays", models.TextField()),
                ("created", models.BigIntegerField()),
                ("updated", models.BigIntegerField()),
            ],
            options={
                "indexes": [models.Index(fields=["parent", "path"], name="documents_by_parent")],
            },
        ),
    ]
