"""The part of the fake node that knows tokens and pairings."""

import asyncio

from foedus.base.errors import NotFound
from foedus.identity.pairing import BadCode, plain
from foedus.values.access import CallerView, PairCodeView, PairStep, TokenView
from tests.surfaces.http.fake_values import EPOCH, NODE


class FakeAccess:
    """Nobody has a token but the operator, and no code is right."""

    def holder_of(self, _token):
        return None

    def watch_token(self, _holder, **_):
        return asyncio.Event()

    def unwatch_token(self, _holder, _event):
        pass

    def caller(self):
        return CallerView(did="", name="fake", kind="operator", device="", bound=False)

    def is_architect(self, _did):
        return False

    def pair_generate(self, who, kind, *, architect=False):
        self._note("pair_generate", who, kind, architect)
        return PairCodeView(code="AB-CDEF", url="", link="/#pair=AB-CDEF", kind=kind, did=who, expires=1)

    def pair_claim(self, code, device, name, address):
        self._note("pair_claim", device, name, address)
        if plain(code) != "ABCDEF":
            raise BadCode("this code opens nothing")
        return PairStep(
            state="prove",
            pairing="00" * 16,
            kind="human",
            did="",
            node=NODE,
            epoch=EPOCH,
            now=1,
            challenge="AA",
            fingerprint="0000",
            expires=2,
        )

    async def pair_prove(self, pairing, _signature, _possession, _enrolment):
        raise NotFound(f"there is no pairing {pairing[:32]!r}")

    def pairings(self):
        return []

    def pair_withdraw(self, pairing):
        raise NotFound(f"no device {pairing[:32]!r} waits")

    async def token_issue(self, who, device):
        return TokenView(did=who, name="fake", device=device, bound=False, token="secret")

    async def token_revoke(self, who, device):
        self._note("token_revoke", who, device)
