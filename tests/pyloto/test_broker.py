"""A worker whose acknowledgements get lost goes on taking tasks."""

from pathlib import Path
from typing import Any

import pytest
import redis
from kombu import Connection, Queue

from pyloto.celery import app
from pyloto.processes import Runner
from tests.lab.emulator import free_port
from tests.lab.proxy import Mode, TcpProxy

HELD_MAX = 2


@pytest.fixture
def proxy(runner: Runner, tmp_path: Path) -> Any:
    from pyloto.embedded_valkey import find_binary

    port = free_port()
    command = [find_binary(), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path), "--save", ""]
    runner.start("valkey-tcp", command)
    with redis.Redis(port=port) as client:
        runner.wait_until("valkey-tcp", lambda: answers(client))
    with TcpProxy(f"127.0.0.1:{port}") as proxy:
        yield proxy
    runner.stop_one("valkey-tcp")


def answers(client: "redis.Redis") -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


@pytest.mark.parametrize("ends", ["ack", "reject", "requeue"])
def test_lost_acknowledgements_do_not_stop_a_worker(proxy: TcpProxy, ends: str) -> None:
    assert app  # it is what mends kombu
    options = {**app.conf.broker_transport_options, "max_retries": 0, "socket_timeout": 1}
    with Connection(f"redis://{proxy.address}/0", transport_options=options) as connection:
        channel = connection.channel()
        queue = Queue("tasks")(channel)
        queue.declare()
        channel.basic_qos(0, HELD_MAX, False)
        for number in range(HELD_MAX):
            connection.Producer(channel).publish({"n": number}, routing_key="tasks")
        held = [queue.get() for _ in range(HELD_MAX)]
        assert all(held)
        for message in held:
            channel.qos.append(message, message.delivery_tag)
        assert not channel.qos.can_consume()
        proxy.set_mode(Mode.REFUSE)
        for message in held:
            with pytest.raises(connection.connection_errors):
                message.ack() if ends == "ack" else message.reject(requeue=ends == "requeue")
        proxy.set_mode(Mode.OK)
        assert channel.qos.can_consume()
