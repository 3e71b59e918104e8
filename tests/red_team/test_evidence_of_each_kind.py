"""What a peer does wrong counts against it: each kind of misdeed, done once by a real second node, and its row."""

import asyncio
import secrets

from foedus.base.cbor import encode
from foedus.identity.did import did_of
from foedus.identity.record import successor
from foedus.log import streams
from foedus.log.streams import chain_id
from foedus.node import intake
from foedus.sync import keepalive
from foedus.sync.frames.events import Events, Proof, Records
from foedus.sync.frames.peering import Application, Request
from foedus.trust import agreement
from foedus.trust.reputation import _BY_RULE, CLEAN, WEIGHTS
from tests.hostile.evil import fresh_keys, id_of, now, villain
from tests.node.nodes import street, until
from tests.red_team.ending import audited, counted

PROFILE = {"kind": "node.profile", "body": {"name": "m", "endpoints": []}}
ELSEWHERE = {"audit_rewritten": "test_histories_rewritten", "replayed_nonce": "test_histories_rewritten"}
"""Misdeeds that are a story of their own."""


async def says_nonsense(evil, _victim, _monkeypatch):
    await evil.send_plain(["events", b"\0\0\0\0"])


async def breaks_a_frame(evil, _victim, _monkeypatch):
    await evil.send_plain(["tier", "EMPEROR"])


async def writes_more_than_fits(evil, _victim, _monkeypatch):
    await evil.deliver(bytes(150_000))


async def turns_its_clock_back(evil, _victim, _monkeypatch):
    first = evil.write(streams.NODE, **PROFILE)
    await evil.deliver(first, evil.write(streams.NODE, 2, id_of(first), hlc=(now() - 86_400_000_000, 0), **PROFILE))


async def swaps_a_body(evil, _victim, _monkeypatch):
    await evil.deliver(evil.write(streams.NODE, **PROFILE)._replace(body=encode({"name": "n", "endpoints": []})))


async def signs_with_another_key(evil, _victim, _monkeypatch):
    await evil.deliver(evil.write(streams.NODE, signer=fresh_keys().ed25519, **PROFILE))


async def vouches_for_nothing(evil, _victim, _monkeypatch):
    first = evil.write(streams.NODE, **PROFILE)
    chain = chain_id(evil.epoch, streams.NODE)
    said = {"chain": chain, "epoch": evil.epoch, "seq": 1, "id": id_of(first), "count": 1, "at": now()}
    body = {"statement": encode(said), "ed25519": bytes(64), "mldsa65": bytes(3309)}
    await evil.deliver(first, evil.write(streams.NODE, 2, id_of(first), kind="checkpoint", body=body))


async def writes_two_histories(evil, _victim, _monkeypatch):
    await evil.deliver(*(evil.write(streams.NODE, **PROFILE) for _ in range(2)))


async def shows_a_proof_of_nothing(evil, victim, _monkeypatch):
    store = victim.node.store
    forged = sorted((evil.write(streams.NODE, epoch=store.epoch, author=store.node) for _ in range(2)), key=id_of)
    await evil.send(Proof(*(each.without_body().encode() for each in forged)))


async def shows_an_identity_that_is_none(evil, _victim, _monkeypatch):
    data, proof = successor(evil.records[-1], evil.keys, fresh_keys(), "rotation", secrets.token_bytes(32)).plain()
    await evil.send(Records(([data, {**proof, "former": [bytes(64), bytes(3309)]}],)))


async def names_signers_for_the_other_side(evil, victim, _monkeypatch):
    own = victim.node.store.node
    draft = agreement.draft(evil.node, own, [], secrets.token_bytes(32))
    named = agreement.complete(draft, own, evil.node, [did_of(bytes(32))])
    signed = agreement.sign(evil.keys.ed25519, named)
    await evil.send(Request(Application(evil.name, "", (), named, signed)))


async def asks_without_end(evil, victim, _monkeypatch):
    for _ in range(80):
        await evil.send(evil.request(victim))


async def sends_batches_without_end(evil, victim, monkeypatch):
    monkeypatch.setattr(victim.node.ingest, "finish", lambda _pending: asyncio.Event().wait())  # a disk that hangs
    for _ in range(intake.BACKLOG_MAX + 64):
        if evil.is_cut_off:
            break
        await evil.send_plain(["events", b"\0\0\0\0"])


async def sends_beyond_its_credit(evil, victim, monkeypatch):
    monkeypatch.setattr(victim.node.ingest, "finish", lambda _pending: asyncio.Event().wait())
    for _ in range(6):
        await evil.send(Events((b"\0\0\x90\0" + bytes(0x9000)) * 13))


async def falls_silent(evil, victim, monkeypatch):
    monkeypatch.setattr(keepalive, "KEEPALIVE_TIMEOUT", 1)
    running = victim.node.links.get(evil.node)
    running.run_effects(running.session.on_deadline(victim.node.store.now() + 2))


MISDEEDS = {
    "non_canonical": (says_nonsense, "refused"),
    "malformed_frame": (breaks_a_frame, "closed"),
    "too_large": (writes_more_than_fits, "refused"),
    "hlc_not_growing": (turns_its_clock_back, "refused"),
    "digest_mismatch": (swaps_a_body, "refused"),
    "agreement_refused": (names_signers_for_the_other_side, "refused"),
    "invalid_signature": (signs_with_another_key, "refused"),
    "bad_checkpoint": (vouches_for_nothing, "withheld"),
    "bad_proof": (shows_a_proof_of_nothing, "closed"),
    "bad_identity_record": (shows_an_identity_that_is_none, "refused"),
    "equivocation": (writes_two_histories, "contested"),
    "too_many_frames": (asks_without_end, "closed"),
    "too_many_batches": (sends_batches_without_end, "closed"),
    "credit_overrun": (sends_beyond_its_credit, "closed"),
    "keepalive_timeout": (falls_silent, "closed"),
}
"""Rule → what shows it, and how it ends."""


def test_no_input_of_the_formula_is_left_out():
    assert MISDEEDS.keys() | ELSEWHERE.keys() == _BY_RULE.keys()


async def test_each_misdeed_is_counted_written_down_and_weighed(tmp_path, monkeypatch):
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        victim.node.home.policy_path.write_text("[federation.policy]\nmax_peers = 0\n", encoding="utf-8")
        assert victim.node.policy.reload()
        for rule, (misdeed, outcome) in MISDEEDS.items():
            with monkeypatch.context() as patches:
                async with villain(victim, rule) as evil:
                    await misdeed(evil, victim, patches)
                    await counted(victim, rule)
                    await weighed(victim, evil, await audited(victim, rule, outcome, evil.id))


async def weighed(victim, evil, row):
    """See that the row alone takes off what its kind takes off."""
    await until(lambda: victim.service.peer(evil.id).evidence, f"{row.rule} is weighed")
    shown = victim.service.peer(evil.id)
    (evidence,) = shown.evidence
    kind = _BY_RULE[row.rule]
    assert (evidence.kind, evidence.row) == (kind.value, row.n)
    weight = WEIGHTS[kind]
    full = min(weight.points * evidence.times, weight.per_day)
    assert full - full // 100 <= evidence.points <= full, "some of it may have decayed already"
    assert shown.reputation == CLEAN - evidence.points
