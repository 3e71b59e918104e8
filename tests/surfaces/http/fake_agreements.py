"""Agreements of the fake node: one peer, whose proposal waits."""

from foedus.base.errors import NotFound
from foedus.values.agreements import AgreementView, ChangeView, ClauseView, DraftView, VersionView

PEER = "ab" * 32
STARTER, PROPOSED = "cd" * 32, "ef" * 32
CHANGE = ChangeView(clause="rates", about="us", before="no limit", after="60 events a minute")


def a_version(version_id=STARTER, version=1, state="in force", **fields):
    values = {
        "base": None, "by": "", "by_us": False, "at": None, "human": "", "answers": None, "expires": None,
        "changes": [], "document": "AA", **fields,
    }  # fmt: skip
    return VersionView(id=version_id, version=version, state=state, **values)


PROPOSAL = a_version(PROPOSED, 2, "proposed", base=STARTER, by=PEER, at=5, changes=[CHANGE])
VIEW = AgreementView(
    peer=PEER,
    peer_name="bank",
    in_force=a_version(),
    clauses=[ClauseView(clause="rooms", about="", words="every room that one side shares with the other")],
    proposals=[PROPOSAL],
    waits_for_us=[PROPOSED],
    signers=[],
)


class FakeAgreements:
    """Answers about PEER; ``note`` records what was called."""

    def __init__(self, note):
        self._note = note

    def _known(self, peer):
        if peer != PEER:
            raise NotFound("there is no agreement with this node", code="no_agreement")
        return VIEW

    def all(self):
        return [VIEW]

    def show(self, peer):
        return self._known(peer)

    def history(self, peer):
        self._known(peer)
        return [VIEW.in_force, PROPOSAL]

    def diff(self, peer, older="", newer=""):
        self._known(peer)
        self._note("agreement_diff", peer, older, newer)
        return [CHANGE]

    def draft(self, peer, terms):
        self._known(peer)
        self._note("agreement_draft", peer, terms)
        return DraftView(document="AA", id=PROPOSED, changes=[CHANGE], signers=[])

    async def propose(self, peer, document, *, answers="", human=None):
        self._note("agreement_propose", peer, document, answers, human)
        return self._known(peer)

    async def sign(self, peer, agreement, human=None):
        self._note("agreement_sign", peer, agreement, human)
        return self._known(peer)

    async def decline(self, peer, agreement=""):
        self._note("agreement_decline", peer, agreement)
        return self._known(peer)

    async def withdraw(self, peer, agreement=""):
        self._note("agreement_withdraw", peer, agreement)
        return self._known(peer)

    async def terminate(self, peer, reason=""):
        self._note("agreement_terminate", peer, reason)
        return self._known(peer)
