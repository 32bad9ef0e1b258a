"""From the command line of `make deploy` and `make plan` to what a release is to be."""

from __future__ import annotations

import argparse

from delivery.deployment.application import describe
from delivery.deployment.prepare import Prepared, Wanted, prepare
from delivery.deployment.release.kubectl import Kubectl


def prepare_for(arguments: argparse.Namespace, kubectl: Kubectl) -> Prepared:
    """See prepare. Without a release's name, it is the application's."""
    application = describe(arguments.app) if arguments.app else None
    release = arguments.release or (application.description.name if application else "flask-app")
    return prepare(Wanted(kubectl, release, application, arguments.env, arguments.values))
