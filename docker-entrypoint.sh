#!/bin/sh
# The processes of an installation, by name; anything else is a command of manage.py.
set -eu

case "${1:-web}" in
web)
    exec granian --interface wsgi --host 0.0.0.0 --port "${PORT:-8000}" --workers "${WEB_WORKERS:-1}" \
        --blocking-threads "${WEB_THREADS:-8}" --log-config pyloto/observability/granian.json pyloto.wsgi:application
    ;;
worker | media)
    # The files of customers are fetched by a worker of their own, so that a slow download holds up no answer. Its queue is
    # no setting: one environment may be shared by all, and names those of the other workers.
    [ "$1" = worker ] || WORKER_QUEUES=media
    # On SIGTERM running turns get CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT, then go back to the queue.
    export REMAP_SIGTERM=SIGQUIT
    exec celery -A pyloto worker -n "$1@%h" -Q "${WORKER_QUEUES:-turns,sweep,checkpoints}" -c "${WORKER_CONCURRENCY:-4}" \
        --without-gossip --without-mingle -l "${LOG_LEVEL:-INFO}"
    ;;
beat)
    exec celery -A pyloto beat --pidfile= -l "${LOG_LEVEL:-INFO}"
    ;;
*)
    exec python manage.py "$@"
    ;;
esac
