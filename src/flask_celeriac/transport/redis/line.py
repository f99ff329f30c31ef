"""One connection for scripts, whose user is alone with it.

A client of redis-py takes a connection from a pool for each command, looks whether it is still
good, and counts: that costs more than the command. Who is alone with a connection needs none of it.
"""

from __future__ import annotations

import os
from typing import Any

import hiredis
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError

from . import scripts

_execute_command = Redis.execute_command
# By its stub it takes a tuple of one.
_pack: Any = hiredis.pack_command


def is_watched() -> bool:
    """Tell whether somebody has replaced the method by which redis-py sends, as tracers do."""
    return Redis.execute_command is not _execute_command


def send(connection: Any, *command: Any) -> None:
    """Send a command of texts, bytes and numbers over a connection of redis-py.

    That would take the name apart and look at each argument before it lets hiredis pack them.

    Raises:
        redis.exceptions.RedisError: As of the connection.
    """
    connection.send_packed_command((_pack(command),))


class Line:
    """A connection that stays taken from the pool of *client*, and is closed with it.

    Used by one thread at a time. Commands go by the client where that is watched.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._pid = 0
        self._connection: Any = None

    def run(self, name: str, *arguments: Any) -> Any:
        """Run a script that is safe to repeat; see `scripts.run`.

        A connection that was closed meanwhile is made anew, once: nobody looked whether it is good.

        Raises:
            redis.exceptions.RedisError: What the server or the connection said. After a broken
                connection the script may have run or not.
        """
        if is_watched():
            return scripts.run(self._client, name, *arguments)
        try:
            return self._ask(name, arguments)
        except RedisConnectionError:
            return self._ask(name, arguments)

    def run_once(self, name: str, *arguments: Any) -> Any:
        """The same for a script that is not to be repeated without its caller's knowing."""
        if is_watched():
            return scripts.run(self._client, name, *arguments)
        return self._ask(name, arguments)

    def _ask(self, name: str, arguments: tuple[Any, ...]) -> Any:
        script = scripts.script(name)
        connection = self._own_connection()
        try:
            # Sending connects as well, but to where it was: this asks Sentinels for the primary.
            connection.connect()
            send(connection, "EVALSHA", script.sha, 1, *arguments)
            try:
                return connection.read_response()
            except NoScriptError:
                send(connection, "EVAL", script.text, 1, *arguments)
                return connection.read_response()
        except BaseException:
            # Whatever ended the wait, the next one must not read this one's reply.
            connection.disconnect()
            raise

    def _own_connection(self) -> Any:
        if self._pid != os.getpid():
            self._connection = self._client.connection_pool.get_connection()
            self._pid = os.getpid()
        return self._connection
