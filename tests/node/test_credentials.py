"""Credentials between real nodes: the guild issues, ada's node holds, the bank verifies and believes whom it chose."""

import json
from contextlib import asynccontextmanager

import aiohttp
import pytest

from foedus.base.errors import FoedusError
from foedus.base.limits import DAY
from foedus.identity.credentials.document import to_text
from foedus.identity.credentials.status_list import is_set
from foedus.identity.credentials.verifying import read_status_list
from foedus.node.credential_forms import IssueRequest, PresentRequest, VerifyRequest
from tests.identity.credentials.made import STRANGER as FORGER
from tests.identity.credentials.made import a_credential, did
from tests.node.federated import federated_street
from tests.node.nodes import connect, until


@asynccontextmanager
async def town(folder):
    """Guild and bank, connected; ada, an agent at the bank's node, holds a credential of the guild."""
    async with federated_street(folder) as it:
        guild, bank = await it.add("guild"), await it.add("bank")
        await connect(guild, bank)
        ada = await bank.service.participant_add_custodial("ada")
        await bank.service.credential_trust(guild.service.identity().did, "Engineer")
        yield it, guild, bank, ada


async def issued(guild, subject, **changes):
    claims = json.dumps({"since": 2019})
    return await guild.service.credential_issue(
        IssueRequest(**{"type": "Engineer", "subject": subject, "claims": claims, **changes})
    )


async def verified(bank, document, **changes):
    return await bank.service.credential_verify(VerifyRequest(document=document, **changes))


async def code_of(bank, document, **changes):
    with pytest.raises(FoedusError) as refused:
        await verified(bank, document, **changes)
    return refused.value.code


async def presented(bank, credential, who="ada", asked=None):
    held = await bank.service.credential_hold(credential.document)
    asked = asked or bank.service.credential_challenge()
    request = PresentRequest(credentials=[held.key], challenge=asked.challenge, domain=asked.domain, as_=who)
    return (await bank.service.credential_present(request)).document


async def test_what_a_believed_issuer_says_of_the_holder_is_proved(tmp_path):
    async with town(tmp_path) as (_, guild, bank, ada):
        credential = await issued(guild, ada.did)
        proved = await verified(bank, await presented(bank, credential))
        assert proved.holder == ada.did
        assert proved.holder_known_as == "ada"
        assert [(one.issuer, one.claims) for one in proved.credentials] == [
            (guild.service.identity().did, {"since": 2019})
        ]
        assert [(view.role, view.revoked) for view in guild.service.credential_list()] == [("issued", False)]


async def test_each_way_to_fail_has_its_own_code_and_is_counted(tmp_path):
    async with town(tmp_path) as (_, guild, bank, ada):
        credential = await issued(guild, ada.did)
        forged = credential.document.replace("2019", "1999")
        assert await code_of(bank, forged) == "bad_proof"
        assert await code_of(bank, to_text(a_credential(key=FORGER, valid_until=None))) == "issuer_not_believed"
        assert await code_of(bank, (await issued(guild, ada.did, type="Doctor")).document) == "issuer_not_believed"
        now = guild.node.store.now()
        short_lived = await issued(guild, ada.did, valid_until=now + 1_500_000)
        await until(lambda: guild.node.store.now() > now + 1_500_000, "it expires")
        assert await code_of(bank, short_lived.document) == "credential_expired"
        await bank.service.participant_add_custodial("eve")
        assert await code_of(bank, await presented(bank, credential, who="eve")) == "not_the_holder"
        await guild.service.credential_revoke(credential.key)
        assert await code_of(bank, await presented(bank, credential)) == "credential_revoked"
        for code in ("bad_proof", "issuer_not_believed", "credential_expired", "not_the_holder", "credential_revoked"):
            assert bank.service.status().refused[code] >= 1


async def test_a_question_is_answered_once(tmp_path):
    async with town(tmp_path) as (_, guild, bank, ada):
        answer = await presented(bank, await issued(guild, ada.did))
        assert (await verified(bank, answer)).holder == ada.did
        assert await code_of(bank, answer) == "wrong_challenge"
        asked = bank.service.credential_challenge()
        elsewhere = await presented(bank, await issued(guild, ada.did), asked=asked)
        assert await code_of(bank, elsewhere, challenge=asked.challenge, domain="other") == "wrong_domain"


async def test_a_question_stays_open_until_an_answer_is_believed(tmp_path):
    async with town(tmp_path) as (_, guild, bank, ada):
        answer = await presented(bank, await issued(guild, ada.did, type="Doctor"))
        assert await code_of(bank, answer) == "issuer_not_believed"
        await bank.service.credential_trust(guild.service.identity().did, "Doctor")
        assert (await verified(bank, answer)).holder == ada.did
        assert await code_of(bank, answer) == "wrong_challenge"


async def test_all_is_kept_over_a_restart_and_a_new_key_of_the_issuer(tmp_path):
    async with town(tmp_path) as (it, issuer, verifier, ada):
        guild, bank = issuer, verifier
        former = guild.service.identity().did
        credential = await issued(guild, ada.did)
        held = await bank.service.credential_hold(credential.document)
        await guild.service.key_rotate()
        guild, bank = await it.restart("guild"), await it.restart("bank")
        await until(lambda: guild.is_linked(bank) and bank.is_linked(guild), "they are linked again")
        newer = guild.service.identity().did
        assert newer != former
        await until(lambda: bank.peer(guild).did == newer, "the bank follows the new epoch")
        assert [(view.issuer, view.type) for view in bank.service.credential_issuers()] == [(former, "Engineer")]
        assert (await verified(bank, credential.document)).credentials[0].issuer == former
        assert (await verified(bank, (await issued(guild, ada.did)).document)).credentials[0].issuer == newer
        await guild.service.credential_revoke(credential.key)
        assert await code_of(bank, bank.service.credential(held.key).document) == "credential_revoked"
        await bank.service.credential_forget(held.key)
        await bank.service.credential_untrust(former, "Engineer")
        assert (bank.service.credential_list(), bank.service.credential_issuers()) == ([], [])


async def test_without_the_issuers_node_its_list_may_be_given_and_without_that_nothing_is_believed(tmp_path):
    async with town(tmp_path) as (it, guild, bank, ada):
        credential = await issued(guild, ada.did)
        other = await issued(guild, ada.did)
        await guild.service.credential_revoke(other.key)
        status_list = guild.service.credential_status_list(credential.key).status_list
        await it.stop("guild")
        assert await code_of(bank, credential.document) == "credential_status_unknown"
        assert (await verified(bank, credential.document, status_lists=[status_list])).credentials[0].subject == ada.did
        assert await code_of(bank, other.document, status_lists=[status_list]) == "credential_revoked"


async def test_an_older_list_does_not_hide_a_revocation(tmp_path):
    async with town(tmp_path) as (it, guild, bank, ada):
        credential = await issued(guild, ada.did)
        before = guild.service.credential_status_list(credential.key).status_list
        began = guild.node.store.now()
        await until(lambda: guild.node.store.now() > began + 1_100_000, "the list's second is over")
        await guild.service.credential_revoke(credential.key)
        assert await code_of(bank, credential.document) == "credential_revoked"
        await it.stop("guild")
        assert await code_of(bank, credential.document, status_lists=[before]) == "credential_status_unknown"


async def test_a_list_that_is_given_serves_for_a_month(tmp_path):
    """Whoever showed a credential chose the list, and a list from before the revocation served for ever."""
    async with town(tmp_path) as (it, guild, bank, ada):
        credential = await issued(guild, ada.did)
        status_list = guild.service.credential_status_list(credential.key).status_list
        await it.stop("guild")
        now = bank.node.store.now
        bank.node.store.now = lambda: now() + 29 * DAY
        assert (await verified(bank, credential.document, status_lists=[status_list])).credentials
        bank.node.store.now = lambda: now() + 31 * DAY
        assert await code_of(bank, credential.document, status_lists=[status_list]) == "credential_status_unknown"


async def test_only_own_keys_issue_here_and_lists_only_grow(tmp_path):
    async with town(tmp_path) as (_, guild, _bank, ada):
        foreign = to_text(a_credential(key=FORGER))
        with pytest.raises(FoedusError) as refused:
            await guild.service.credential_record(foreign, "")
        assert refused.value.code == "not_issuer"
        credential = await issued(guild, ada.did)
        before = guild.service.credential_status_list(credential.key).status_list
        await guild.service.credential_revoke(credential.key)
        with pytest.raises(FoedusError) as refused:
            await guild.service.credential_status_replace(before)
        assert refused.value.code == "revocation_lost"
        with pytest.raises(FoedusError) as refused:
            guild.service.credential_status_list("0" * 64)
        assert refused.value.code == "unknown_credential"
        assert did(FORGER) not in {view.issuer for view in guild.service.credential_list()}


async def test_the_list_is_served_to_anyone_who_knows_its_address(tmp_path):
    async with town(tmp_path) as (_, guild, _bank, ada):
        credential = await issued(guild, ada.did)
        place = guild.service.credential_status_list(credential.key)
        async with aiohttp.ClientSession() as session:
            async with session.get(place.url) as answer:
                assert answer.status == 200
                listed = read_status_list(await answer.json(), place.url, guild.node.store.now())
            assert (listed.issuer, is_set(listed.bits, place.place)) == (guild.service.identity().did, False)
            for path in ("0" * 32, "../v1/status", ""):
                async with session.get(f"{guild.url}/api/credentials/status/{path}") as answer:
                    assert answer.status in {401, 404}
            async with session.post(place.url) as answer:
                assert answer.status == 405
