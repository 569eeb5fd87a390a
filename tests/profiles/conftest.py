"""What the tests of customers share with those of conversations."""

from tests.conversations.conftest import customer, faulty, fresh_process, outside

__all__ = ["customer", "faulty", "fresh_process", "outside"]
