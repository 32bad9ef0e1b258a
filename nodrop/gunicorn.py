"""How gunicorn runs, in production and in `make run` alike: `gunicorn --config python:nodrop.gunicorn [shop:app]`.

Everything that differs between places comes from the environment, through ServingSettings. What gunicorn is configured
with is in nodrop/options/configuration.py, what is done when it starts, forks and ends in nodrop/server/hooks.py; both
become names of this module, where gunicorn looks for them. A configuration file of your own begins with
`from nodrop.gunicorn import *`.
"""

import os
import sys
from pathlib import Path

from nodrop.importing import import_path

# For what is imported next; gunicorn has put the folder first.
import_path.working_folder_last()

# gunicorn's variable for the master that SIGUSR2 starts.
if os.environ.get("GUNICORN_PID"):
    sys.exit("an upgrade in place (SIGUSR2) is not supported: start a new server, as a rollout does")

from nodrop.config.sources import Environment, SettingsError
from nodrop.logs.masking import known_secrets
from nodrop.logs.masking.own_messages import redact_own
from nodrop.logs.masking.redaction import redact_text
from nodrop.options import configuration, given_options
from nodrop.options.startup import settings_to_start_with
from nodrop.server import own_hooks
from nodrop.server.hooks import Hooks
from nodrop.system.runtime_folder import memory_folder, runtime_folder

# Put where the management process and the workers read it, too.
if _application := given_options.application(sys.argv[1:]):
    os.environ["WSGI_APP"] = _application
# gunicorn does so later, when the hooks have been imported.
sys.path[:0] = given_options.import_folders(sys.argv[1:], os.environ)
_environment = Environment(os.environ)
known_secrets.hide_environment(os.environ, _environment.folder)
try:
    _settings = settings_to_start_with(_environment, sys.argv[1:])[0]
    _own_hooks = own_hooks.load(_settings.hooks)
except SettingsError as error:
    sys.exit(redact_own(str(error)))
except own_hooks.HooksError as error:
    sys.exit(redact_text(str(error)))

# One folder for the life of this master, whose process id is kept with it, since this file is read again on SIGHUP.
_owner, _, _folder_name = os.environ.get("NODROP_RUNTIME", "").partition(":")
if _owner != str(os.getpid()):
    _in_memory = memory_folder()
    try:
        _folder_name = str(runtime_folder(_in_memory))
    except OSError as error:
        sys.exit(
            f"a folder for the server's processes can't be made in {_in_memory}: {error.strerror}; make room there"
        )
    os.environ["NODROP_RUNTIME"] = f"{os.getpid()}:{_folder_name}"
_runtime = Path(_folder_name)
# Read by prometheus_client when it is first imported.
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(_runtime / "metrics")

# What workers and the management process need is imported once, here, and shared by all of them. nodrop.management and
# nodrop.metrics only now, since they import prometheus_client.
with import_path.python_before_named():
    from nodrop.application import load as _load  # noqa: F401
    from nodrop.management import process as _management
    from nodrop.metrics import request_metrics as _request_metrics  # noqa: F401

_hooks = Hooks(_settings, _runtime, lambda: _management.start(_runtime, _settings))
_hooks.ours = configuration.values(_settings) | own_hooks.combined(_hooks.named(), _own_hooks)
globals().update(_hooks.ours)
