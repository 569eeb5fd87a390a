"""The processes of one installation on one machine: what starts each, and how to tell that it really answers."""

import http.client
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import redis
from django.conf import settings

from pyloto.celery import app
from pyloto.embedded_valkey import server_command, socket_url
from pyloto.processes import Runner

HOST = "127.0.0.1"
GRANIAN_LOG_CONFIG = Path(__file__).parent / "observability" / "granian.json"
WORKER, MEDIA_WORKER = "pyloto@localhost", "media@localhost"
PING_SECONDS = 1.0


@dataclass(frozen=True)
class Stack:
    """Web, worker and beat, with the embedded Valkey and the simulator where they are wanted.

    The runner's environment is `child_environment`. `simulator_port` None: the real WhatsApp.
    """

    runner: Runner
    web_port: int
    simulator_port: int | None = None

    @property
    def web_url(self) -> str:
        return f"http://{HOST}:{self.web_port}"

    @property
    def simulator_url(self) -> str:
        return f"http://{HOST}:{self.simulator_port}" if self.simulator_port else ""

    def start(self) -> None:
        """Start all and wait until each answers; a Valkey only where no `REDIS_URL` names another server."""
        if settings.REDIS_URL == socket_url(settings.RUN_DIR):
            self.start_valkey()
        self._start_web()
        if self.simulator_port:
            self._start_simulator()
        self._start_worker()
        self._start_media_worker()
        self._start_beat()
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        self.runner.wait_until("web", lambda: answers(self.web_port, "/readyz"))
        if self.simulator_port:
            self.runner.wait_until("simulator", lambda: answers(self.simulator_port or 0, "/"))
        self.wait_for_worker()

    def start_valkey(self) -> None:
        self.runner.start("valkey", server_command(settings.RUN_DIR))
        with redis.Redis.from_url(settings.REDIS_URL) as client:
            self.runner.wait_until("valkey", lambda: pong(client))

    def wait_for_worker(self) -> None:
        self.runner.wait_until("worker", lambda: bool(app.control.ping([WORKER], timeout=PING_SECONDS)))
        self.runner.wait_until("media", lambda: bool(app.control.ping([MEDIA_WORKER], timeout=PING_SECONDS)))

    def _start_web(self) -> None:
        command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", HOST, "--port", str(self.web_port)]
        command += ["--blocking-threads", "4", "--log-config", str(GRANIAN_LOG_CONFIG), "pyloto.wsgi:application"]
        self.runner.start("web", command)

    def _start_simulator(self) -> None:
        webhook = f"{self.web_url}/webhooks/whatsapp"
        manage = [sys.executable, str(settings.BASE_DIR / "manage.py")]
        state = str(settings.RUN_DIR / "simulator.json")  # the phones keep their conversations, as the stores do
        command = [*manage, "simulator", "--port", str(self.simulator_port), "--webhook-url", webhook, "--state", state]
        self.runner.start("simulator", command)

    def _start_worker(self) -> None:
        # A warm shutdown lets the running turns end, within the time limit of a task.
        self.runner.start("worker", _worker(WORKER, "turns,sweep,checkpoints", 2), grace_seconds=60)

    def _start_media_worker(self) -> None:
        """One of its own, so that slow downloads hold up no turn."""
        self.runner.start("media", _worker(MEDIA_WORKER, "media", 1), grace_seconds=10)  # a download begins anew

    def _start_beat(self) -> None:
        command = [sys.executable, "-m", "celery", "-A", "pyloto", "beat", "--pidfile=", "-l", settings.LOG_LEVEL]
        self.runner.start("beat", command)


def _worker(name: str, queues: str, processes: int) -> list[str]:
    command = [sys.executable, "-m", "celery", "-A", "pyloto", "worker", "-Q", queues, "-c", str(processes)]
    return [*command, "-n", name, "--without-gossip", "--without-mingle", "-l", settings.LOG_LEVEL]


def child_environment(web_port: int, simulator_port: int | None = None) -> dict[str, str]:
    """What the children add to this process's environment: each other's addresses, and a directory for their metrics."""
    metrics = settings.RUN_DIR / "metrics"
    shutil.rmtree(metrics, ignore_errors=True)  # files of processes that are gone would be counted for ever
    metrics.mkdir(parents=True)
    env = {"PROMETHEUS_MULTIPROC_DIR": str(metrics), "PYTHONUNBUFFERED": "1"}
    if simulator_port:
        env["SIMULATOR_URL"] = env["WHATSAPP_GRAPH_URL"] = f"http://{HOST}:{simulator_port}"
    return env


def answers(port: int, path: str) -> bool:
    """Whether a GET is answered with 200."""
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def pong(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
