"""kubectl and helm of fake_cluster.py. Its first argument is the folder of the cluster:

pods         the pods, as the API server lists them
logs/POD     what each has logged
values       those of the release
POD/         the volume of a pod, in which the agent runs; POD.check is what `nodrop check --app` says there
asked        each command line, one a line; asked-values, what helm was given
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

cluster, program, *arguments = Path(sys.argv[1]), *sys.argv[2:]
revision = cluster / "revision"


def watch() -> None:
    """Tell of each pod, whenever the list has changed."""
    told: dict[str, str] = {}
    while True:
        listed = {
            each["metadata"]["name"]: json.dumps(each) for each in json.loads((cluster / "pods").read_text())["items"]
        }
        for name in {**told, **listed}:
            if told.get(name) != listed.get(name):
                kind = "DELETED" if name not in listed else "ADDED" if name not in told else "MODIFIED"
                print(f'{{"type": "{kind}", "object": {listed.get(name) or told[name]}}}', flush=True)
        told = listed
        time.sleep(0.02)


def execute() -> int:
    """Run a command in a pod: the agent, with the pod's folder in place of its own, or the check."""
    name = arguments[arguments.index("--container") - 1]
    command = arguments[arguments.index("--") + 1 :]
    if command[0] == "nodrop":
        print((cluster / f"{name}.check").read_text(), end="", file=sys.stderr)
        return 1
    folder = cluster / name
    Path(f"{folder}.marker-copied").touch()
    # The arguments are the volume, the marker and the file of a supervisor.
    there = [str(folder), f"{folder}.marker", f"{folder}.worker"]
    # With no server of this machine.
    here = Path(__file__).parent
    variables = {**os.environ, "PYTHONPATH": f"{here}/only:{here.parents[1]}"}
    return subprocess.run([sys.executable, *command[1:3], *there], env=variables, check=False).returncode


with (cluster / "asked").open("a") as file:
    file.write(" ".join([program, *arguments[:3]]) + "\n")
if program == "helm":
    if arguments[0] == "get":
        print((cluster / "values").read_text())
    elif arguments[0] == "status":
        print(json.dumps({"version": int(revision.read_text()) if revision.exists() else 1}))
    else:
        if arguments[0] == "upgrade":
            (cluster / "asked-values").write_text(sys.stdin.read())
        revision.write_text("2")
elif "--watch" in arguments:
    watch()
elif arguments[0] == "get":
    print((cluster / "pods").read_text())
elif arguments[0] == "logs":
    print((cluster / "logs" / arguments[-1]).read_text(), end="")
elif arguments[0] == "exec":
    sys.exit(execute())
