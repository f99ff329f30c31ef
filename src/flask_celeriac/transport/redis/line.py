"""One connection for scripts that are safe to repeat, whose user is alone with it.

A client of redis-py takes a connection from a pool for each command, looks whether it is still
good, and counts: that costs more than the command. Whoever has a connection of kombu's pool to
himself needs none of it.
"""

from __future__ import annotations

import os
from typing import Any

from redis import ConnectionPool, Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError

from . import scripts

_execute_command = Redis.execute_command


def is_watched() -> bool:
    """Tell whether somebody has replaced the method by which redis-py sends, as tracers do."""
    return Redis.execute_command is not _execute_command


class Line:
    """A connection that stays taken from its pool, and is closed with it.

    Args:
        pool: Of redis-py.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self.pool = pool
        self._pid = os.getpid()
        self._connection: Any = pool.get_connection()

    def is_of(self, pool: ConnectionPool) -> bool:
        """Tell whether this is a line of *pool*, in this process."""
        return self.pool is pool and self._pid == os.getpid()

    def run(self, name: str, *arguments: Any) -> Any:
        """Run a script that may run twice; see `scripts.run`.

        A connection that was closed meanwhile is made anew, once: nobody looked whether it is good.

        Raises:
            redis.exceptions.RedisError: What the server or the connection said. After a broken
                connection the script may have run or not.
        """
        connection, script = self._connection, scripts.script(name)
        try:
            try:
                return _ask(connection, script, arguments)
            except RedisConnectionError:
                connection.disconnect()
                return _ask(connection, script, arguments)
        except BaseException:
            # Whatever ended the wait, the next one must not read this one's reply.
            connection.disconnect()
            raise


def _ask(connection: Any, script: scripts.Script, arguments: tuple[Any, ...]) -> Any:
    connection.send_command("EVALSHA", script.sha, 1, *arguments)
    try:
        return connection.read_response()
    except NoScriptError:
        connection.send_command("EVAL", script.text, 1, *arguments)
        return connection.read_response()
