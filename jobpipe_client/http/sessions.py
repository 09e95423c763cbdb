"""The HTTP sessions of a client, one for each thread of each process, since connections cannot be shared."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import ConnectionPool, HTTPConnectionPool

from jobpipe_client.environment import HttpSettings


class Sessions:
    """Sessions with the same settings and headers. Safe to share between threads, and across a fork.

    A child process starts without sessions: on an inherited connection, the child and the parent would read each
    other's responses.
    """

    def __init__(self, settings: HttpSettings, headers: Mapping[str, str], *, pool_size: int) -> None:
        self._settings = settings
        self._headers = headers
        self._pool_size = pool_size
        self._reset()
        _all.add(self)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._thread = threading.local()
        self._sessions: weakref.WeakSet[requests.Session] = weakref.WeakSet()

    def current(self) -> requests.Session:
        """Return this thread's session."""
        session: requests.Session | None = getattr(self._thread, "session", None)
        if session is None:
            session = self._settings.new_session()
            session.headers.update(self._headers)
            adapter = _Adapter(pool_connections=1, pool_maxsize=self._pool_size)
            session.mount("http://", adapter)
            session.mount("https://", adapter)
            self._thread.session = session
            with self._lock:
                self._sessions.add(session)
        return session

    def close(self) -> None:
        """Close the connections of all threads of this process."""
        with self._lock:
            for session in list(self._sessions):
                session.close()

    def after_fork(self) -> None:
        """Drop the parent's sessions in a child process, before anything else runs there."""
        inherited = list(self._sessions)
        self._reset()  # another thread of the parent may hold the lock
        for session in inherited:
            for adapter in session.adapters.values():
                if isinstance(adapter, _Adapter):
                    adapter.after_fork()


class _Adapter(HTTPAdapter):
    """An adapter of requests that remembers its connection pools."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._pools: weakref.WeakSet[HTTPConnectionPool] = weakref.WeakSet()

    def get_connection_with_tls_context(self, *arguments: Any, **named: Any) -> ConnectionPool:
        """Return the pool for a request."""
        pool = super().get_connection_with_tls_context(*arguments, **named)
        if isinstance(pool, HTTPConnectionPool):
            self._pools.add(pool)
        return pool

    def after_fork(self) -> None:
        """Close this process's copies of idle connections. Nothing is sent to the server."""
        for pool in list(self._pools):
            idle = pool.pool
            if idle is None:
                continue
            connections = list(idle.queue)
            # A thread of the parent may have held the queue's lock, which is needed to free the pool.
            idle.__init__(idle.maxsize)  # type: ignore[misc]
            for connection in connections:
                if connection is not None:
                    connection.close()


_all: weakref.WeakSet[Sessions] = weakref.WeakSet()


def _after_fork() -> None:
    for sessions in list(_all):
        sessions.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
