"""The part of the fake NodeService that keeps passkeys."""

from foedus.values.access import PasskeysView, PasskeyView


class FakePasskeys:
    """Believes every authenticator."""

    def passkeys(self):
        return PasskeysView(required=False, passkeys=[])

    async def passkey_add(self, name, salt, response, origin):
        self._note("passkey_add", name, salt, response, origin)
        return PasskeyView(
            passkey="aa" * 32, credential="aa", did="did:key:z6MkFake", name=name, origin=origin, added=1, used=0
        )

    async def passkey_show(self, credential, statement, response):
        self._note("passkey_show", credential, statement, response)

    async def passkey_remove(self, passkey):
        self._note("passkey_remove", passkey)
