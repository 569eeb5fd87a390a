"""A demonstration: invented customers for an empty installation. Only `manage.py seed_demo` imports it."""
