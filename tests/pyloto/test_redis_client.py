import socket
import time

import pytest
import redis

from pyloto.redis_client import get_redis


def test_a_process_has_one_client(valkey):
    assert get_redis() is get_redis()
    assert get_redis().ping()


def test_a_server_that_refuses_is_reported_at_once(settings):
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    started = time.monotonic()

    with pytest.raises(redis.ConnectionError):
        get_redis().ping()

    assert time.monotonic() - started < 1


def test_a_server_that_is_silent_is_given_up_within_a_second(settings):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.REDIS_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        started = time.monotonic()

        with pytest.raises(redis.TimeoutError):
            get_redis().ping()

        assert time.monotonic() - started < 1.5
        get_redis().connection_pool.disconnect()
