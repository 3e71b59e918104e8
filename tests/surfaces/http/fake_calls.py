"""The part of the fake node that offers and calls."""

from foedus.base.errors import UsageError
from foedus.values.calls import CallProgressView, CallView, CapabilityView, WebhookView, WorkView
from tests.surfaces.http.fake_values import NODE

CAPABILITY = CapabilityView(
    name="echo",
    node=NODE,
    node_name="fake",
    offer="cd" * 32,
    agent="did:key:z6MkEcho",
    agent_name="clerk",
    about="says what it hears",
    takes={"type": "object"},
    returns=None,
    model="",
    provider="",
    price="",
    standing=4,
)
CALL = CallView(
    call="ef" * 32,
    node=NODE,
    node_name="fake",
    name="echo",
    offer=CAPABILITY.offer,
    caller=NODE,
    at=1,
    deadline=2,
    state="ended",
    outcome="result",
    code="",
    message="",
    agent=CAPABILITY.agent,
    began=1,
    ended=2,
    output={"said": "hello"},
    receipt="oA",
    receipt_sig="AA",
    countersig="AA",
)
WORK = WorkView(
    call=CALL.call,
    name="echo",
    offer=CAPABILITY.offer,
    caller=NODE,
    caller_name="",
    node=NODE,
    node_name="fake",
    input={"text": "hello"},
    deadline=2,
)

WEBHOOK = WebhookView(
    agent=CAPABILITY.agent,
    agent_name="clerk",
    url="https://bots.example/clerk?secret=1",
    by_operator=True,
    since=1,
    last_at=2,
    last="200",
)


class FakeCalls:
    """Offers an echo, and calls it."""

    def errands(self, _did):
        return []

    def capabilities(self):
        return [CAPABILITY]

    async def capability_register(self, form):
        self._note("capability_register", form)
        return CAPABILITY

    async def capability_withdraw(self, name, agent=""):
        self._note("capability_withdraw", name, agent)

    async def call(self, form):
        self._note("call", form)
        return CALL

    async def call_follow(self, form):
        self._note("call_follow", form)
        return self._called()

    async def _called(self):
        yield CallProgressView(call=CALL.call, number=1, data={"done": 1})
        yield CALL

    def calls_made(self, asked):
        self._note("calls_made", asked)
        return [CALL]

    async def call_propose(self, form):
        self._note("call_propose", form)
        raise UsageError("no node waits for a human's word", code="no_approval_needed", http_status=409)

    async def call_wait(self, call, caller="", *, wait_s):
        self._note("call_wait", call, caller, wait_s)
        return CALL

    def call_cancel(self, call, caller=""):
        self._note("call_cancel", call, caller)
        return CALL

    async def call_work(self, agent, wait_ms):
        self._note("call_work", agent, wait_ms)
        return WORK

    async def call_progress(self, agent, call, data):
        self._note("call_progress", agent, call, data)

    async def call_finish(self, agent, call, result):
        self._note("call_finish", agent, call, result)

    def webhooks(self, agent=""):
        self._note("webhooks", agent)
        return [WEBHOOK]

    async def webhook_register(self, form):
        self._note("webhook_register", form)
        return WEBHOOK

    async def webhook_remove(self, agent):
        self._note("webhook_remove", agent)
