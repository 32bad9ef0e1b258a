"""A command of a Procfile becomes a container's, and SIGTERM reaches the process itself."""

import subprocess

import pytest

from delivery.deployment.chart.commands import RUN, container_command


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("celery -A shop.tasks worker", ["celery", "-A", "shop.tasks", "worker"]),
        ("rq worker --name 'two words'", ["rq", "worker", "--name", "two words"]),
        ("DEBUG=1 python worker.py", ["env", "DEBUG=1", "python", "worker.py"]),
        ('python -c "print(1)"', ["python", "-c", "print(1)"]),
        ("echo 'costs $5 & more'", ["echo", "costs $5 & more"]),
        ("cd src && python worker.py", ["sh", "-c", "cd src && exec python worker.py"]),
        ("python worker.py --queue $QUEUE", ["sh", "-c", "exec python worker.py --queue $QUEUE"]),
        ('python worker.py --queue "$QUEUE"', ["sh", "-c", 'exec python worker.py --queue "$QUEUE"']),
        ("cd src; A=1 python worker.py", ["sh", "-c", "cd src; exec env A=1 python worker.py"]),
        ("python produce.py | python consume.py", ["sh", "-c", "python produce.py | python consume.py"]),
        ("exec python worker.py > /dev/null", ["sh", "-c", "exec python worker.py > /dev/null"]),
    ],
)
def test_a_shell_is_used_only_where_it_is_needed_and_then_replaced(line: str, command: list[str]) -> None:
    assert container_command(line) == [*RUN, *command]


def test_a_shell_command_becomes_the_process_that_gets_the_signals() -> None:
    command = container_command("true && sh -c 'echo $$'")[len(RUN) :]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        said, _ = process.communicate(timeout=10)
    assert int(said) == process.pid
