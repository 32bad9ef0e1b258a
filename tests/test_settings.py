"""Settings: what is accepted, and what is said about what is not."""

import pytest

from app.api.settings import ApiSettings
from app.serving.environment import Environment, SettingsError
from app.serving.settings import ServingSettings


def problems(variables: dict[str, str]) -> list[str]:
    """What ServingSettings says is wrong with the variables."""
    with pytest.raises(SettingsError) as error:
        ServingSettings.from_environment(variables)
    return error.value.problems


def test_the_defaults_serve_the_example_on_port_5000() -> None:
    settings = ServingSettings.from_environment({})
    assert (settings.wsgi_app, settings.port, settings.workers) == ("app.api:create_app()", 5000, 1)


def test_every_variable_is_read() -> None:
    settings = ServingSettings.from_environment(
        {
            "WSGI_APP": "shop:app", "PORT": "80", "MANAGEMENT_PORT": "81", "WEB_CONCURRENCY": "2", "WEB_THREADS": "3",
            "GRACEFUL_TIMEOUT": "4", "KEEP_ALIVE": "5", "LOG_LEVEL": "WARNING", "ACCESS_LOG": "Off",
        }
    )  # fmt: skip
    assert (settings.wsgi_app, settings.port, settings.management_port, settings.workers) == ("shop:app", 80, 81, 2)
    assert (settings.threads, settings.graceful_timeout, settings.keep_alive) == (3, 4, 5)
    assert (settings.log_level, settings.access_log) == ("warning", False)


def test_an_empty_variable_counts_as_unset() -> None:
    assert ServingSettings.from_environment({"PORT": "", "LOG_LEVEL": " "}) == ServingSettings.from_environment({})


@pytest.mark.parametrize(
    "value", ["0", "65536", "-1", "5000.0", "1_000", "0x50", "٥٠٠٠", "5000 ;", "9" * 5000, "None", "+80"]
)
def test_a_bad_number_is_named_with_what_is_accepted(value: str) -> None:
    assert problems({"PORT": value}) == [f"PORT={value!r} can't be accepted: set it to a whole number from 1 to 65535"]


def test_every_problem_is_listed_at_once() -> None:
    assert len(problems({"PORT": "x", "WEB_THREADS": "0", "LOG_LEVEL": "loud", "ACCESS_LOG": "maybe"})) == 4


def test_a_bad_choice_lists_the_choices() -> None:
    assert problems({"LOG_LEVEL": "loud"}) == [
        "LOG_LEVEL='loud' can't be accepted: set it to one of debug, info, warning, error, critical"
    ]


def test_the_two_ports_must_differ() -> None:
    assert "two different ports" in problems({"PORT": "5001"})[0]


@pytest.mark.parametrize(
    "value", ["shop", "shop:", ":app", "shop:create(1)", "shop:app; x", "shop.app", "shop:a..b", "shop:a.b("]
)
def test_a_malformed_application_name_is_refused(value: str) -> None:
    assert "module:factory()" in problems({"WSGI_APP": value})[0]


def test_control_characters_are_refused() -> None:
    env = Environment({"NAME": "a\nb"})
    env.text("NAME", default="")
    with pytest.raises(SettingsError, match="printable text"):
        env.check()


@pytest.mark.parametrize(("text", "value"), [("1", True), ("Yes", True), ("on", True), ("false", False), ("0", False)])
def test_booleans(text: str, value: bool) -> None:
    assert ApiSettings.from_environment({"LOAD_ENDPOINTS": text}).load_endpoints is value
