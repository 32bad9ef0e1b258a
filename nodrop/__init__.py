"""nodrop: Flask on Kubernetes without a dropped request.

Serves any Flask or WSGI application under gunicorn, with settings, logs, metrics and health:

    gunicorn --config python:nodrop.gunicorn shop:app

Its rooms, in the order in which a server meets them:

gunicorn     the configuration that gunicorn is started with
config       settings: where values come from, what each may be
options      what is configured for gunicorn itself: honoured, or refused by name
server       the server's processes: hooks, addresses, signals, child processes, replacement of workers
application  the application: found by its name, loaded, and what is said if that fails
http         the gunicorn worker: connections, requests, answers
wsgi         the middleware around the application
tracing      a span for each request, if OpenTelemetry is switched on
metrics      what is measured, kept and served as /metrics
logs         what is logged, and what is masked
health       whether the server has started, is ready, is alive
management   the process and the port that health and metrics are answered from
commands     `nodrop check`, `nodrop run` and `nodrop dev`
"""

__version__ = "0.2.0"
