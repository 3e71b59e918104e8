"""Why a node was not reached is said in words for people, not in those of a library."""

import socket

import pytest

from foedus.adapters.unreached import why
from foedus.adapters.websocket_client import Unreachable, WebSocketDialler


async def test_a_port_where_nobody_listens_and_a_name_that_is_none():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, so that nobody else listens there, and deaf
        refusing = f"http://127.0.0.1:{held.getsockname()[1]}"
        dialler = WebSocketDialler()
        with pytest.raises(Unreachable) as refused:
            await dialler.connect(refusing)
        with pytest.raises(Unreachable) as unknown:
            await dialler.connect("http://no.such.name.invalid:1")
        await dialler.close()
    assert str(refused.value) == f"no link to {refusing}: Connection refused"
    assert not any(word in str(unknown.value) for word in ("ssl", "[", "("))


@pytest.mark.parametrize(
    ("error", "words"),
    [(TimeoutError(), "it did not answer in time"), (ValueError("not a URL"), "not a URL"), (OSError(), "OSError")],
)
def test_other_errors(error, words):
    assert why(error) == words
