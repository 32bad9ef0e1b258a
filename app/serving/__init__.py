"""The production layer: serves any Flask application under gunicorn, with settings, logs, metrics and health.

environment     reads and validates environment variables
settings        this layer's own settings
gunicorn.conf   how gunicorn runs; the hooks that tie the parts below together
wsgi            finds the application and instruments it
metrics         what is measured of each request
management      health and metrics on a port of their own, from a process of their own
runtime         the folder that the server's processes share
state           what the workers tell the management process
context         which request is being handled: its ids, for the application, the logs and the answer
traceparent     the header that says in which trace a request is
logs            where logs go
formats         how a log record becomes a line
redaction       what must not be logged
gunicorn_logger gunicorn's own lines, and one a request
tracing         a span for each request, if OpenTelemetry is there and switched on
"""
