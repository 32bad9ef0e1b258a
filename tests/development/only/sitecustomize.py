"""For agents that tests start: of the servers on this machine, they know one, or none. In a pod there is one."""

import os

from nodrop.server import reload

found, master = reload.servers, int(os.environ.get("MASTER", "0"))
reload.servers = lambda: [server for server in found() if server.master == master]
