"""Valkey as Celery's broker, with one thing of kombu's mended."""

from typing import Any

from kombu.transport import redis, virtual


class ForgivingQoS(redis.QoS):
    """Frees the place of a task whose acknowledgement could not be sent.

    kombu (5.7) keeps it taken. A worker holds as many tasks as it has processes; after so many lost acknowledgements it
    stays connected, answers pings, and takes no task any more, until somebody starts it again. The tasks come once more
    after the visibility timeout, and find their work done.
    """

    def ack(self, delivery_tag: str) -> None:
        try:
            super().ack(delivery_tag)
        finally:
            virtual.QoS.ack(self, delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        try:
            super().reject(delivery_tag, requeue=requeue)
        finally:
            virtual.QoS.ack(self, delivery_tag)


def mend_kombu() -> None:
    """For every connection that is made from here on."""
    channel: Any = redis.Channel
    channel.QoS = ForgivingQoS
