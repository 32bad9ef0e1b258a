"""The production layer: serves any Flask application under gunicorn, with settings, logs, metrics and health.

environment     reads and validates environment variables
settings        this layer's own settings
gunicorn.conf   how gunicorn runs; the hooks that tie the parts below together
wsgi            puts the application together with what production needs
application     finds what WSGI_APP names
problems        problem details for the errors that an application leaves to Flask
headers         security headers that an application has not set itself
proxies         the client's address, scheme and host, as trusted proxies tell them
metrics         what is measured of each request
management      health and metrics on a port of their own, from a process of their own
runtime         the folder that the server's processes share
state           what the workers tell the management process
logs            one JSON object a line
"""
