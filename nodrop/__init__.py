"""nodrop: Flask on Kubernetes without a dropped request.

Serves any Flask or WSGI application under gunicorn, with settings, logs, metrics and health:

    gunicorn --config python:nodrop.gunicorn shop:app

Its rooms, each of which imports only from those above it (tests/test_rooms.py):

system           what processes share: addresses, signals, child processes, the folder in memory
config           settings: where values come from, what each may be
importing        code that a setting names: where it is looked for, and what is said if it can't be imported
current_request  the request that a thread handles
logs             what is logged, and what is masked
wsgi             the middleware around the application
tracing          a span for each request, if OpenTelemetry is switched on
health           whether the server has started, is ready, is alive
metrics          what is measured, kept and served as /metrics
options          what is configured for gunicorn itself: honoured, or refused by name
application      the application: found by its name, loaded, and put behind the middleware
server           the server's processes: hooks, what every worker is, replacement of workers
http             the gunicorn worker: connections, requests, answers
management       the process and the port that health and metrics are answered from
commands         `nodrop check`, `nodrop run`, `nodrop reload` and `nodrop dev`
gunicorn         the configuration that gunicorn is started with
"""

__version__ = "0.2.0"
