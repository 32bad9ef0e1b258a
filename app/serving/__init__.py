"""The production layer: serves any Flask application under gunicorn, with settings, logs, metrics and health.

environment     finds values: variables, files, a folder of secrets
kinds           what a value can be
declaration     how settings are declared and read
settings        this layer's own settings
__main__        `check`: the settings in effect, or all that is wrong with them
gunicorn.conf   how gunicorn runs; the hooks that tie the parts below together
worker          the gunicorn worker: threads for the application, a loop for clients
connection      one client's connection
response        the answer and the input, as the application gets them
framing         tells when a chunked body is there
spool           bytes that wait, in memory or in a file
wsgi            puts the application together with what production needs
application     finds what WSGI_APP names
problems        problem details for the errors that an application leaves to Flask
headers         security headers that an application has not set itself
proxies         the client's address, scheme and host, as trusted proxies tell them
debugging       keeps debuggers out of production
dev             `make dev`: the development server
metrics         what is measured of each request
values          where a worker keeps it
archive         what dead workers have left, merged
exposition      all of it, as /metrics serves it
processes       processor time, memory and files of the server's processes
saturation      threads, queues and connections
health          what the probes are told, and why
readiness       the application's own checks
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
