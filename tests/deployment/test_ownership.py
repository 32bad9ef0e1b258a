"""A release is not deployed over by another application, nor without the application that it was deployed with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from delivery.deployment.errors import DeploymentError
from delivery.deployment.release.ownership import refuse_other_origin, refuse_without_application

OF_APP: dict[str, Any] = {"service": {"annotations": {"flask-app/origin": "github.com/acme/shop#backend"}}}


def test_another_application_of_the_name_is_refused_with_the_remedies() -> None:
    with pytest.raises(DeploymentError, match=r"(?s)acme/shop#backend.*acme/blog#backend.*name = .*RELEASE=<name>"):
        refuse_other_origin(OF_APP, "backend", "github.com/acme/blog#backend", "flask-app.toml")


@pytest.mark.parametrize("deployed", [{}, {"service": {}}, OF_APP], ids=["none", "before there were origins", "same"])
def test_the_same_application_and_a_release_of_no_origin_are_deployed_over(deployed: dict[str, Any]) -> None:
    refuse_other_origin(deployed, "backend", "github.com/acme/shop#backend", "flask-app.toml")


@pytest.mark.parametrize("with_env", [False, True])
@pytest.mark.parametrize("deployed", [OF_APP, {"fullnameOverride": "shop"}], ids=["origin", "name"])
def test_a_release_of_app_is_not_deployed_without_it(deployed: dict[str, Any], with_env: bool) -> None:
    with pytest.raises(DeploymentError, match="name the application too, APP="):
        refuse_without_application(deployed, "shop", None, with_env=with_env)


def test_a_release_of_an_env_file_is_not_deployed_without_one() -> None:
    deployed = {"secrets": {"existingSecret": "shop-env-3"}}
    with pytest.raises(DeploymentError, match="ENV_FILE=<path>"):
        refuse_without_application(deployed, "shop", None, with_env=False)
    refuse_without_application(deployed, "shop", None, with_env=True)


def test_what_the_users_own_values_give_is_theirs(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text("fullnameOverride: shop\nsecrets: {existingSecret: shop-env-3}\n")
    deployed = {"fullnameOverride": "shop", "secrets": {"existingSecret": "shop-env-3"}}
    refuse_without_application(deployed, "shop", file, with_env=False)
    refuse_without_application({"secrets": {"existingSecret": "theirs"}}, "shop", None, with_env=False)
