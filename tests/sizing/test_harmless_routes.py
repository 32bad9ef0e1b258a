"""Which routes may be asked for, by their names and methods."""

from __future__ import annotations

import pytest

from delivery.sizing.measuring.routes import MOST, Route, action, harmless


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("/articles", ""),
        ("/settings", ""),
        ("/orders/address", ""),
        ("/runners", ""),
        ("/users/delete", "delete"),
        ("/deleteAll", "delete"),
        ("/deleteall", "deleteall"),
        ("users.remove_user", "remove"),
        ("/log-out", "log out"),
        ("auth.log_out", "log out"),
        ("/LOGOUT", "logout"),
        ("/admin/cache:clear", "clear"),
        ("/jobs/run", "run"),
        ("/send-newsletter", "send"),
    ],
)
def test_words_that_name_an_action_are_found(name: str, word: str) -> None:
    assert action(name) == word


def test_routes_without_get_or_with_an_action_in_path_or_endpoint_are_left_out() -> None:
    paths, skipped = harmless(
        [
            Route("/", "index", ("GET", "HEAD", "OPTIONS")),
            Route("/orders", "orders", ("OPTIONS", "POST")),
            Route("/bye", "auth.logout", ("GET",)),
            Route("/reset", "index", ("GET",)),
            Route("/", "again", ("GET",)),
        ]
    )
    assert paths == ["/"]
    assert [each.path for each in skipped] == ["/bye", "/reset"]


def test_of_many_routes_the_shortest_are_asked_for() -> None:
    routes = [Route(f"/{'a' * length}", "page", ("GET",)) for length in range(MOST + 2, 0, -1)]
    paths, skipped = harmless(routes)
    assert paths == [f"/{'a' * length}" for length in range(1, MOST + 1)]
    assert [each.why for each in skipped] == ["not requested, because 10 others are shorter"] * 2
