"""Single-use invocations: spent on the disk before anything is done for them, forgotten there when they expired."""

import pytest

from foedus.base.limits import SECOND
from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.did import did_of
from foedus.identity.ucan import issue_invocation, parse_invocation
from foedus.identity.ucan.errors import InvalidClaim, Replayed
from foedus.node.invocation_nonces import SPACE, InvocationNonces
from tests.node.nodes import street

KEY = Ed25519Key(bytes(32))


def invocation(nonce, expires):
    subject = did_of(KEY.public)
    data = issue_invocation(
        KEY, subject=subject, command="/query", arguments={}, proofs=(), nonce=nonce, expires=expires
    )
    return parse_invocation(data)


def now_s(node):
    return node.node.store.now() // SECOND


async def test_an_invocation_serves_once_and_not_again_after_a_restart(tmp_path):
    async with street(tmp_path) as nodes:
        alice = await nodes.add("alice")
        asked = invocation(b"n" * 12, now_s(alice) + 600)
        nonces = InvocationNonces(alice.node.store)
        await nonces.spend(asked)
        with pytest.raises(Replayed):
            await nonces.spend(asked)
        alice = await nodes.restart("alice")
        with pytest.raises(Replayed):
            await InvocationNonces(alice.node.store).spend(asked)


async def test_what_is_refused_leaves_nothing_and_what_expired_goes(tmp_path):
    async with street(tmp_path) as nodes:
        alice = await nodes.add("alice")
        store = alice.node.store
        nonces = InvocationNonces(store)
        with pytest.raises(InvalidClaim):
            await nonces.spend(invocation(b"n", None))
        assert store.log.values(SPACE) == {}
        await nonces.spend(invocation(b"1", now_s(alice) + 5))
        await nonces.spend(invocation(b"2", now_s(alice) + 600))
        real = store.now
        store.now = lambda: real() + 60 * SECOND
        await nonces.spend(invocation(b"3", now_s(alice) + 600))
        assert sorted(key[-1:] for key in store.log.values(SPACE)) == [b"2", b"3"]


async def test_several_are_taken_together_or_none_is(tmp_path):
    async with street(tmp_path) as nodes:
        alice = await nodes.add("alice")
        nonces = InvocationNonces(alice.node.store)
        first, second, third = (invocation(nonce, now_s(alice) + 600) for nonce in (b"1", b"2", b"3"))
        await nonces.spend(third)
        with pytest.raises(Replayed):
            nonces.take([first, second, third])
        assert len(nonces.take([first, second])) == 2
