"""The env file: as python-dotenv reads it, and what a pod would refuse or never get is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from delivery.deployment.errors import DeploymentError
from delivery.deployment.settings.env_file import Given, read


def given(folder: Path, text: str) -> Given:
    file = folder / "prod.env"
    file.write_text(text)
    return read(file)


def test_what_people_write_is_read(tmp_path: Path) -> None:
    found = given(
        tmp_path,
        "\ufeffexport SECRET_ONE=one\r\n# settings\n\nTWO=\"two words\" # a comment\nTHREE='pa$$ # word'\n"
        'KEY="-----BEGIN\nabc=\n-----END"\nEMPTY=\nJOINED=${SECRET_ONE}/x\n',
    )
    assert found.secret == {
        "SECRET_ONE": "one",
        "TWO": "two words",
        "THREE": "pa$$ # word",
        "KEY": "-----BEGIN\nabc=\n-----END",
        "EMPTY": "",
        "JOINED": "one/x",
    }
    assert found.notes == ()


def test_what_a_secret_may_not_set_goes_elsewhere_with_a_word(tmp_path: Path) -> None:
    found = given(
        tmp_path,
        "WEB_THREADS=4\nhttps_proxy=http://proxy:3128\nPORT=8000\nFLASK_APP=shop\nPYTHONPATH=src\nSECRET_KEY=k\nALONE\n",
    )
    assert found.config == {"WEB_THREADS": "4", "https_proxy": "http://proxy:3128"}
    assert found.secret == {"SECRET_KEY": "k"}
    assert found.names == {"WEB_THREADS", "https_proxy", "SECRET_KEY"}
    said = "\n".join(found.notes)
    for name in ("PORT", "FLASK_APP", "PYTHONPATH", "ALONE"):
        assert f"prod.env: {name} " in said


def test_what_others_name_differently_is_passed_on_or_named_with_what_does_it_here(tmp_path: Path) -> None:
    found = given(
        tmp_path,
        "FORWARDED_ALLOW_IPS=*\nSCRIPT_NAME=/shop\nGUNICORN_CMD_ARGS=--threads 4\nREQUESTS_CA_BUNDLE=/certs/ca.pem\n"
        "GUNICORN_TIMEOUT=30\n",
    )
    assert found.config == {
        "URL_PREFIX": "/shop",
        "GUNICORN_CMD_ARGS": "--threads 4",
        "REQUESTS_CA_BUNDLE": "/certs/ca.pem",
    }
    assert found.secret == {}
    forwarded, bundle, timeout = found.notes
    assert "FORWARDED_ALLOW_IPS is left out" in forwarded
    assert "set TRUSTED_PROXIES" in forwarded
    assert "REQUESTS_CA_BUNDLE names a file, which must be in the image or mounted" in bundle
    assert "STALL_TIMEOUT" in timeout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A=1\n\n\nthese are words\n", "prod.env:4 isn't a NAME=value line"),
        ('A="never closed\n', "prod.env:1 isn't a NAME=value line"),
        ("A=1\nmy-name=2\n", "prod.env:2: 'my-name' isn't a valid variable name"),
        ("A=1\n1A=2\n", "prod.env:2: '1A' isn't a valid variable name"),
    ],
)
def test_a_line_that_can_not_be_meant_is_named_without_a_value(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DeploymentError) as refused:
        given(tmp_path, text)
    assert said in str(refused.value)
    assert "never closed" not in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match=r"ENV_FILE=.*none.env is not there"):
        read(tmp_path / "none.env")


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "prod.env").write_bytes(b"A=\xff\xfe\n")
    with pytest.raises(DeploymentError, match="can't be read"):
        read(tmp_path / "prod.env")


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "http_proxy", "WEB_THREADS"])
def test_a_password_is_never_config(tmp_path: Path, name: str) -> None:
    with pytest.raises(DeploymentError) as refused:
        given(tmp_path, f"{name}=http://me:hunter2@proxy:3128\n")
    assert "hunter2" not in str(refused.value)
    assert f"extraEnv: [{{name: {name}, valueFrom: " in str(refused.value)


def test_an_address_with_a_password_that_is_the_applications_is_secret(tmp_path: Path) -> None:
    assert given(tmp_path, "API=https://me:hunter2@api\n").secret == {"API": "https://me:hunter2@api"}
