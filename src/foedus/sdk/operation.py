"""Methods that are written once and serve both clients: awaited at the one, plainly called at the other."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    ParamSpec,
    TypeVar,
    cast,
    get_args,
    get_type_hints,
    overload,
)

from foedus.sdk.portal import Portal
from foedus.sdk.transport import TIMEOUT_S, Request, fill, query_text

if TYPE_CHECKING:
    from foedus.sdk.client import Client

P = ParamSpec("P")
T = TypeVar("T")

API = "/api/v1"


class Mode:
    """How a client runs what its methods start."""

    def run(self, coroutine: Coroutine[Any, Any, T]) -> Any:
        """Return what the caller of a method gets."""
        raise NotImplementedError

    def iterate(self, source: AsyncGenerator[T, None]) -> Any:
        """Return what the caller of a stream iterates."""
        raise NotImplementedError


class Asynchronous(Mode):
    """How the async client runs things: its caller awaits them."""

    def run(self, coroutine: Coroutine[Any, Any, T]) -> Any:
        """Return what is to be awaited."""
        return coroutine

    def iterate(self, source: AsyncGenerator[T, None]) -> Any:
        """Return what is iterated with ``async for``."""
        return source


class Blocking(Mode):
    """How the plain client runs things: in the loop of a thread of its own, while its caller waits."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal

    def run(self, coroutine: Coroutine[Any, Any, T]) -> Any:
        """Wait, and return the result."""
        return self._portal.run(coroutine)

    def iterate(self, source: AsyncGenerator[T, None]) -> Any:
        """Return what is iterated with ``for``."""
        return self._portal.iterate(source)


M = TypeVar("M", bound=Mode)


class Group(Generic[M]):
    """Some of a client's methods. ``client`` is the async one, by which they do their work."""

    def __init__(self, client: Client, mode: M) -> None:
        self._client = client
        self._mode = mode


@dataclass(frozen=True)
class Sent(Generic[T]):
    """What one operation sends; T is what comes back. None in ``query`` and ``body`` is left out."""

    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str | int | None] = field(default_factory=dict)
    body: Any = None
    timeout_s: float = TIMEOUT_S


class _Method(Generic[P, T]):
    """A method whose coroutine ``start`` makes."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self.make = make
        functools.update_wrapper(self, make)  # type: ignore[arg-type]  # a descriptor stands for the function

    @overload
    def __get__(self, group: None, owner: type[Any]) -> _Method[P, T]: ...
    @overload
    def __get__(self, group: Group[Asynchronous], owner: type[Any]) -> Callable[P, Coroutine[Any, Any, T]]: ...
    @overload
    def __get__(self, group: Group[Blocking], owner: type[Any]) -> Callable[P, T]: ...
    def __get__(self, group: Group[Any] | None, owner: type[Any]) -> Any:
        """Return the method as the client of ``group`` has it."""
        if group is None:
            return self

        @functools.wraps(self.make)
        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return group._mode.run(self.start(group, *args, **kwargs))  # noqa: SLF001  # a part of Group

        return method

    def start(self, group: Group[Any], *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        """Return what does it."""
        raise NotImplementedError


class Operation(_Method[P, T]):
    """One operation of the API. Its function says what is sent; its return annotation what comes back."""

    def __init__(self, method: str, path: str, make: Callable[Concatenate[Any, P], Sent[T]]) -> None:
        super().__init__(make)
        self.method = method
        self.path = path

    @functools.cached_property
    def answer(self) -> type[T]:
        """The type that comes back."""
        return cast("type[T]", get_args(get_type_hints(self.make)["return"])[0])

    def request(self, sent: Sent[T]) -> Request:
        """Return the request."""
        target = fill(self.path, sent.path) + query_text(sent.query)
        body = (
            {key: value for key, value in sent.body.items() if value is not None} if _is_map(sent.body) else sent.body
        )
        return Request(self.method, target, body, sent.timeout_s)

    def start(self, group: Group[Any], *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        """Return what asks the node."""
        transport = group._client.transport  # noqa: SLF001  # a part of Group
        return transport.ask(self.request(self.make(group, *args, **kwargs)), self.answer)


class Action(_Method[P, T]):
    """Several requests, or an act that the device signs: a coroutine over the async client."""

    def __init__(self, make: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]) -> None:
        super().__init__(make)

    def start(self, group: Group[Any], *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        """Return what does it."""
        coroutine: Coroutine[Any, Any, T] = self.make(group, *args, **kwargs)
        return coroutine


class Stream(Generic[P, T]):
    """A method that follows something: an async generator over the async client."""

    def __init__(self, make: Callable[Concatenate[Any, P], AsyncGenerator[T, None]]) -> None:
        self.make = make
        functools.update_wrapper(self, make)  # type: ignore[arg-type]  # as above

    @overload
    def __get__(self, group: None, owner: type[Any]) -> Stream[P, T]: ...
    @overload
    def __get__(self, group: Group[Asynchronous], owner: type[Any]) -> Callable[P, AsyncIterator[T]]: ...
    @overload
    def __get__(self, group: Group[Blocking], owner: type[Any]) -> Callable[P, Iterator[T]]: ...
    def __get__(self, group: Group[Any] | None, owner: type[Any]) -> Any:
        """Return the method as the client of ``group`` has it."""
        if group is None:
            return self

        @functools.wraps(self.make)
        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return group._mode.iterate(self.make(group, *args, **kwargs))  # noqa: SLF001  # a part of Group

        return method


def operation(
    method: str, path: str, root: str = API
) -> Callable[[Callable[Concatenate[Any, P], Sent[T]]], Operation[P, T]]:
    """Make a method of a function that says what an operation sends."""
    return lambda make: Operation(method, root + path, make)


def _is_map(body: Any) -> bool:
    return isinstance(body, dict)
