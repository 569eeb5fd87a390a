"""What the tests of customers share with those of conversations."""

from tests.conversations.conftest import clock, customer, faulty, fresh_process, outside

__all__ = ["clock", "customer", "faulty", "fresh_process", "outside"]
