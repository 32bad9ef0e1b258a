"""An application that tells what it sees of a request: who sent it, for which host, under which ids."""

SEEN = """
import flask
app = flask.Flask(__name__)

@app.get("/seen")
def seen():
    request = flask.request
    return {
        "client": request.remote_addr, "scheme": request.scheme, "host": request.host, "path": request.path,
        "root": request.script_root, "headers": dict(request.headers), "url": flask.url_for("seen", _external=True),
        "id": request.environ["nodrop.request_id"], "trace": request.environ["nodrop.trace_id"],
        "sampled": request.environ["nodrop.sampled"],
    }
"""
