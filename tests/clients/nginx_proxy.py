"""A private nginx in front of a site, which keeps answers back unless it is told not to."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import psutil
import pytest
from client_site import Running, Site, free_port, until

#: Names of its doors; see `_SERVER`.
DOORS = ("http/1.0", "http/1.1", "gzip")

_CONFIGURATION = """
daemon off;
{user}
worker_processes 1;
pid nginx.pid;
events {{}}
http {{
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  {servers}
}}
"""
_SERVER = """
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{upstream};
      proxy_set_header Host $http_host;
      proxy_buffering on;
      {more}
    }}
  }}
"""
_MORE = {
    "http/1.0": "proxy_http_version 1.0;",
    "http/1.1": 'proxy_http_version 1.1; proxy_set_header Connection "";',
    "gzip": "gzip on; gzip_types *; gzip_proxied any; gzip_min_length 1;",
}


def nginx_program() -> str:
    """Return its path, or skip the test where there is none, but not in CI."""
    places = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin"
    found = shutil.which("nginx", path=places)
    if found is None:
        assert os.environ.get("CI") != "true", "nginx is not installed"
        pytest.skip("nginx is not installed")
    return found


class Nginx:
    """One nginx with a door for each way to be set up.

    Attributes:
        doors: The site behind each of `DOORS`.
    """

    def __init__(self, folder: Path, upstream: Site) -> None:
        self._program, self._folder = nginx_program(), folder
        self.doors = {name: Site(f"http://127.0.0.1:{free_port()}") for name in DOORS}
        servers = [
            _SERVER.format(port=door.port, upstream=upstream.port, more=_MORE[name])
            for name, door in self.doors.items()
        ]
        # Started by root its workers would be somebody else, who may not write here.
        user = "user root;" if os.geteuid() == 0 else ""
        text = _CONFIGURATION.format(user=user, servers="".join(servers))
        (folder / "nginx.conf").write_text(text)
        self._running: Running | None = None

    def start(self) -> None:
        prefix = f"{self._folder}/"
        self._running = Running(
            [self._program, "-p", prefix, "-c", "nginx.conf", "-e", "error.log"],
            self._folder / "nginx.log",
            {},
        )
        self._running.wait_for(lambda: all(door.answers() for door in self.doors.values()))

    def stop(self) -> None:
        """End it at once, with all connections."""
        if self._running is not None:
            self._running.stop()

    def reload(self) -> None:
        """Let it read its configuration again; returns when new workers answer."""
        assert self._running is not None
        master = psutil.Process(self._running.process.pid)
        old = set(master.children())
        master.send_signal(signal.SIGHUP)
        until(lambda: set(master.children()) - old)
