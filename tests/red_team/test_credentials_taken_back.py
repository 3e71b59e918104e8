"""A credential that was taken back is shown once more, where its issuer's node cannot be asked."""

import secrets

import pytest

from foedus.base.errors import FoedusError
from foedus.base.limits import DAY
from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.credentials import status_list
from foedus.identity.credentials.credential import StatusEntry
from foedus.identity.credentials.document import to_text
from foedus.identity.credentials.issuing import Claim, Question, issue, issue_status_list, present
from foedus.identity.did import did_of
from foedus.node.credential_forms import VerifyRequest
from foedus.node.credential_store import STATUS_ROOT
from tests.node.federated import federated_street
from tests.node.nodes import connect

GUILD = Ed25519Key(bytes([7]) * 32)


async def test_a_peer_does_not_tell_whom_another_issuer_took_back(tmp_path):
    """A second credential, by a friend who is believed in something else, had the friend's node asked for the list."""
    async with federated_street(tmp_path) as it:
        bank, mallory = await it.add("bank"), await it.add("mallory")
        await connect(mallory, bank)
        await bank.service.credential_trust(did_of(GUILD.public), "Engineer")
        friend = mallory.node.store.keys.ed25519
        await bank.service.credential_trust(did_of(friend.public), "Pal")
        holder, list_id, now = Ed25519Key(secrets.token_bytes(32)), "ab" * 16, bank.node.store.now()
        url = f"http://guild.example{STATUS_ROOT}/{list_id}"
        before = issue_status_list(url, status_list.empty_list(), now - DAY, GUILD)
        mallory.service.credentials.kept.lists[list_id] = before  # as it was before the guild took back place 3

        def says(kind, key, place):
            return issue(
                Claim(
                    id="urn:uuid:1", type=kind, subject=did_of(holder.public), claims={}, valid_from=now - DAY,
                    valid_until=None, status=StatusEntry(url, place),
                ),
                key,
            )  # fmt: skip

        asked = bank.service.credential_challenge()
        question = Question(asked.challenge, asked.domain)
        shown = present([says("Engineer", GUILD, 3), says("Pal", friend, 5)], question, now, holder)
        with pytest.raises(FoedusError) as refused:
            await bank.service.credential_verify(VerifyRequest(document=to_text(shown)))
        assert refused.value.code == "credential_status_unknown"
        assert refused.value.remedy
        assert bank.service.status().refused["credential_status_unknown"] == 1
