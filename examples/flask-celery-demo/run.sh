#!/bin/sh
# run.sh flask | celery-worker | celery-beat      further words are passed on
# `exec`, so that signals reach the process itself and it can stop in order.
set -eu
cd "$(dirname "$0")"

role=${1:-}
[ $# -eq 0 ] || shift

case $role in
flask)
    if [ "${FLASK_ENV:-}" = production ]; then
        exec gunicorn --bind "${FLASK_RUN_HOST:-0.0.0.0}:${FLASK_RUN_PORT:-5000}" \
            --threads 32 "$@" service:flask_app
    fi
    exec flask --app service run "$@"
    ;;
celery-worker)
    exec flask --app service celery worker "$@"
    ;;
celery-beat)
    exec flask --app service celery beat "$@"
    ;;
*)
    echo "usage: $0 flask | celery-worker | celery-beat [options]" >&2
    exit 64
    ;;
esac
