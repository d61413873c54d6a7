"""The application behind every proxy: an nginx that answers out of memory."""

import dataclasses
import os

from processes import free_port, wait_until_served
from settings import LARGE_BODY, SMALL_BODY

CONFIGURATION = """
daemon off;
master_process off;
error_log stderr crit;
pid {folder}/pid;
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  keepalive_requests 2000000000;
  keepalive_timeout 600s;
  open_file_cache max=8 inactive=1h;
  sendfile on;
  tcp_nopush on;
  default_type text/plain;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} backlog=8192;
    location = /large {{ alias {folder}/large; }}
    # Takes the whole body of a request before it asks itself for the answer.
    location /slow {{ proxy_pass http://127.0.0.1:{port}/; }}
    location / {{ return 200 "{small}"; }}
  }}
}}
"""


@dataclasses.dataclass
class Backend:
    """Where it listens, and what its configuration is kept in."""

    port: int
    pid: int


def start(nursery, core):
    """Serves the small body everywhere and 64 KiB at /large, on the load's core; at /slow it waits
    for the end of a request."""
    folder = nursery.folder("backend")
    port = free_port()
    (folder / "large").write_bytes(LARGE_BODY)
    text = CONFIGURATION.format(folder=folder, port=port, small=SMALL_BODY.decode())
    (folder / "nginx.conf").write_text(text)
    # Debian's nginx changes to another user when root starts it; one process does not.
    os.chmod(nursery.directory, 0o711)
    command = ["nginx", "-c", folder / "nginx.conf", "-p", folder]
    child = nursery.start(command, folder / "log", core)
    wait_until_served("the backend", child, port, "/", SMALL_BODY)
    wait_until_served("the backend", child, port, "/large", LARGE_BODY)
    return Backend(port, child.pid)
