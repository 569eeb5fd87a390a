# One image, several processes: web (granian), worker, beat, migrate; see docker-entrypoint.sh. Nothing runs as root.
# `make run` needs none of this.
FROM python:3.11-slim-bookworm

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN useradd --uid 10001 --create-home pyloto \
    && install -d -o pyloto -g pyloto /data
WORKDIR /app

COPY requirements.txt .
RUN pip install -r requirements.txt

COPY manage.py docker-entrypoint.sh ./
COPY pyloto pyloto
COPY audit audit
COPY profiles profiles
COPY ai ai
COPY conversations conversations
COPY exports exports
# The settings want their secrets to be there; static files hold none of them.
RUN DJANGO_SECRET_KEY=build-only PRIVACY_PEPPERS=build-only PRIVACY_KEYS=build-only WHATSAPP_APP_SECRET=build-only \
    WHATSAPP_VERIFY_TOKEN=build-only WHATSAPP_ACCESS_TOKEN=build-only WHATSAPP_PHONE_NUMBER_IDS=0 \
    PYLOTO_RUN_DIR=/tmp/build python manage.py collectstatic --no-input --verbosity 0

USER pyloto
ENV PYLOTO_RUN_DIR=/data
VOLUME /data
EXPOSE 8000
ENTRYPOINT ["/app/docker-entrypoint.sh"]
CMD ["web"]
