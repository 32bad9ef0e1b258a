"""nodrop: Flask on Kubernetes without a dropped request.

Serves any Flask or WSGI application under gunicorn, with settings, logs, metrics and health:

    gunicorn --config python:nodrop.gunicorn shop:app

Its rooms, in the order in which a request meets them:

gunicorn    the configuration that gunicorn is started with
config      the settings: where values come from, what each may be
options     what becomes of each option of gunicorn's, and what gunicorn is configured with
server      the server's processes: their hooks, signals, addresses, and what they share
http        the gunicorn worker: connections, requests, answers
application finds the application that WSGI_APP names, and says why it can't be loaded
wsgi        the application, and the middleware around it
tracing     a span for each request, if OpenTelemetry is switched on
metrics     what is measured, kept and served as /metrics
logs        what is logged, and how
health      whether the server has started, is ready, is alive
management  the process and the port that health and metrics are answered from
commands    `nodrop check` and the like
"""

__version__ = "0.2.0"
