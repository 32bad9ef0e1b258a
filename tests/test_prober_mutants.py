"""The tests of the prober, tested: probers that are broken on purpose, each of which one of them must catch."""

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.measuring.records import InvalidRun
from tests import test_prober as checks
from tests import test_prober_look_ups as look_ups
from tests.probing import copy, mutate

pytestmark = pytest.mark.long

Check = Callable[[Path, Path], object]


def of_kind(check: Callable[[Path, Path, str], None], kind: str) -> Check:
    """The check of one kind."""
    return lambda folder, program: check(folder, program, kind)


kept_everything = of_kind(checks.test_every_request_is_sent_once_and_recorded, "keep-alive")
faults = of_kind(checks.test_every_fault_is_counted_once_under_its_class_and_not_retried, "new")
kept_faults = of_kind(checks.test_every_fault_is_counted_once_under_its_class_and_not_retried, "keep-alive")


def without_looking(folder: Path, program: Path) -> None:
    """Of the two looks at whether a kept connection was closed, either alone would be enough here."""
    mutate(program, "prober.py", "if connection.is_quiet():", "if True:")
    checks.test_a_kept_connection_that_the_server_closed_is_not_used_again(folder, program)


MUTANTS: dict[str, tuple[str, str, str, Check]] = {
    "sends again what was reset": (
        "prober.py",
        "        done = self.now()\n",
        "        if error == 'reset' and not getattr(self, 'again', False):\n"
        "            self.again, exchange.over = True, True\n"
        "            self._exchanges.pop(exchange.request.number)\n"
        "            return self._send(exchange.request.number, exchange.scheduled)\n"
        "        done = self.now()\n",
        faults,
    ),
    "sends again on another connection when a kept one was reset": (
        "prober.py",
        "        done = self.now()\n",
        "        if error == 'reset' and self.traffic.keeps_connections and not getattr(exchange.connection, 'x', 0):\n"
        "            exchange.over = True\n"
        "            self._exchanges.pop(exchange.request.number)\n"
        "            return self._send(exchange.request.number, exchange.scheduled)\n"
        "        done = self.now()\n",
        of_kind(checks.test_a_kept_connection_that_is_reset_at_its_second_request_is_a_failure_each_time, "keep-alive"),
    ),
    "sends everything twice": (
        "traffic.py",
        "            return Request(number, head)\n",
        "            return Request(number, head * 2)\n",
        kept_everything,
    ),
    "leaves failures out of the records": (
        "prober.py", "        self.output.write(\n", "        error or self.output.write(\n", faults,
    ),
    "counts failures as answered": (
        "prober.py", "answer.status, host, version, error,", "answer.status, host, version, '',", faults,
    ),
    "measures from when a request was sent": (
        "prober.py",
        "request.number, exchange.scheduled, exchange.sent,",
        "request.number, exchange.sent, exchange.sent,",
        checks.test_a_prober_late_during_an_outage_does_not_pass_for_valid,
    ),
    "shifts its schedule when it is behind": (
        "prober.py",
        "                if scheduled <= now:\n",
        "                if scheduled <= now:\n"
        "                    start += max(0.0, now - scheduled - 0.01)\n"
        "                    scheduled = start + self.due / self.rate\n",
        checks.test_a_prober_late_during_an_outage_does_not_pass_for_valid,
    ),
    "leaves out what fell due while it was behind": (
        "prober.py",
        "                if scheduled <= now:\n",
        "                if scheduled <= now:\n"
        "                    self.due = max(self.due, int((now - start) * self.rate))\n",
        checks.test_a_prober_late_during_an_outage_does_not_pass_for_valid,
    ),
    "waits for an answer before it sends again": (
        "prober.py",
        "                if scheduled <= now:\n",
        "                if scheduled <= now and not self._exchanges:\n",
        checks.test_all_that_fell_due_in_a_stall_is_sent_and_waits_for_its_end,
    ),
    "sends only so many at once, and the others later": (
        "prober.py",
        "                if scheduled <= now:\n",
        "                if scheduled <= now and len(self._exchanges) < 50:\n",
        checks.test_all_that_fell_due_in_a_stall_is_sent_and_waits_for_its_end,
    ),
    "does not look at the status": ("check.py", "answer.status != 200", "answer.status > 999", faults),
    "takes the answer to another request": (
        "check.py", 'query["probe"] == [str(request.number)] and ', "", faults,
    ),
    "takes the answer of another run": ("check.py", ' and query["run"] == [self.run]', "", faults),
    "does not look at the hash of an upload": (
        "check.py",
        "if same and request.body_sha256:",
        "if False:",
        checks.test_one_wrong_bit_in_an_upload_is_a_failure,
    ),
    "takes half an answer for a whole one": (
        "answer.py", "        if len(buffer) < self._length:\n", "        if not buffer:\n", kept_faults,
    ),
    "takes more than an answer for one": ("answer.py", "        if excess:\n", "        if False:\n", faults),
    "leaves out what it could not send": (
        "prober.py",
        '                raise Failure("not-sent")\n',
        "                return\n",
        checks.test_what_can_not_be_sent_is_a_failure_and_sending_goes_on,
    ),
    "has no bound of what is in flight": (
        "prober.py",
        "if len(self._exchanges) >= self.max_in_flight:",
        "if False:",
        checks.test_what_can_not_be_sent_is_a_failure_and_sending_goes_on,
    ),
    "sends on a connection that was closed": (
        "prober.py",
        "            elif events & ~select.EPOLLOUT:\n",
        "            elif False:\n",
        without_looking,
    ),
    "looks its host up only once": (
        "prober.py",
        "Resolver(host, port) if arguments.look_up else where",
        "where",
        lambda folder, program: look_ups.test_every_connection_is_looked_up(folder, program, "new", 60),
    ),
    "looks up again what was not found": (
        "resolver.py",
        "            found = None\n",
        "            found = look_up(self._host, self._port)\n",
        look_ups.test_a_look_up_that_fails_is_a_failure_and_not_tried_again,
    ),
    "waits for a look-up before it goes on": (
        "resolver.py",
        "self._threads.submit(self._look_up, number)",
        "self._look_up(number)",
        look_ups.test_a_look_up_that_hangs_fails_in_time_and_holds_up_no_other,
    ),
    "never keeps a connection": (
        "prober.py",
        "connection.may_be_kept(events)",
        "False",
        of_kind(checks.test_each_kind_uses_connections_as_it_says, "keep-alive"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_broken_prober_is_caught(tmp_path: Path, mutant: str) -> None:
    file, text, replacement, check = MUTANTS[mutant]
    program = copy(tmp_path)
    mutate(program, file, text, replacement)
    # One that breaks down, or does not match, is no proof of anything: only a verdict of the check counts.
    with pytest.raises((AssertionError, InvalidRun)) as caught:
        check(tmp_path / "results", program)
    assert "the mutation no longer matches" not in str(caught.value)
