"""Take a function or class of a notebook along into another process, with what it refers to.

cloudpickle does it; here is only what it cannot take and an answer may well refer to. Such an
object is made anew in the other process.
"""

import builtins
import contextvars
import functools
import io
import marshal
import ssl
import threading
import weakref
from collections.abc import Callable
from types import CodeType
from typing import Any

import cloudpickle

_MADE_ANEW = {
    type(threading.Lock()): threading.Lock,
    type(threading.RLock()): threading.RLock,
    threading.local: threading.local,
    weakref.WeakKeyDictionary: weakref.WeakKeyDictionary,
    weakref.WeakValueDictionary: weakref.WeakValueDictionary,
    weakref.WeakSet: weakref.WeakSet,
}


class Unpackable(Exception):
    """The answer refers to something that cannot be taken along. Says what, for the learner."""


def packed(answer: Callable, *others: Any) -> bytes:
    """Return an answer and others as bytes: `pickle.loads` gives `(answer, *others)`.

    Raises `Unpackable`.
    """
    try:
        return _pickled((answer, *others))
    except Exception as error:  # whatever the objects' own methods raise
        raise Unpackable(_culprit(answer) or f"It cannot be taken along: {error!r}.") from error


def _culprit(answer: Callable) -> str | None:
    """Find the global name, of those that a function refers to, that cannot be taken along."""
    code = getattr(answer, "__code__", None)
    names = getattr(answer, "__globals__", {})
    for name in code.co_names if code is not None else ():
        try:
            _pickled(names.get(name))
        except Exception:
            kind = type(names[name]).__name__
            return (
                f"It refers to `{name}`, an object of type `{kind}` that stands outside of it and "
                "belongs to the notebook's process. Make it inside."
            )
    return None


def _pickled(value: Any) -> bytes:
    into = io.BytesIO()
    _Pickler(into).dump(value)
    return into.getvalue()


class _Pickler(cloudpickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, CodeType):  # cloudpickle would leave its file's name out
            return marshal.loads, (marshal.dumps(value),)
        if type(value) in _MADE_ANEW:
            return _MADE_ANEW[type(value)], ()
        if isinstance(value, functools._lru_cache_wrapper):
            return _cached, (value.__wrapped__, value.cache_parameters())
        if isinstance(value, contextvars.ContextVar):
            return contextvars.ContextVar, (value.name,)
        if isinstance(value, ssl.SSLContext):
            authorities = bool(value.cert_store_stats()["x509"])
            return _context, (value.check_hostname, value.verify_mode, authorities)
        if type(value).__name__ in ("ExitAutocall", "ZMQExitAutocall"):  # IPython's `exit`
            return getattr, (builtins, "exit")
        return super().reducer_override(value)


def _cached(function: Callable, parameters: dict[str, Any]) -> Callable:
    return functools.lru_cache(**parameters)(function)


def _context(
    check_hostname: bool, verify_mode: ssl.VerifyMode, authorities: bool
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = check_hostname
    context.verify_mode = verify_mode
    if authorities:
        context.load_default_certs()
    return context
