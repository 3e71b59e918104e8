"""Calls in a simulation: agents work and die, replies are lost, and nothing is ever run twice."""

import asyncio

from foedus.crypto import ed25519
from foedus.node.call_forms import CallForm, CallsMade, CapabilityForm, WorkResult
from foedus.node.call_records import CallRecords
from foedus.node.calls import AFTER_DEADLINE_S
from foedus.query.call import parse_receipt, receipt_bytes
from tests.simulation.terms import is_connected

_WORK_MS = 2_000
_WAITS_MS = (500, 2_000, 8_000)
_DISKS_S = 1.0
"""What a call may take beyond its deadline: writes of the simulated disk, some of them in a row."""


class Calling:
    """What the agents of a scenario do for each other."""

    def __init__(self, scenario):
        self.scenario = scenario
        self.draw = scenario.draw
        self.offers = {}
        """Place → what is offered there."""
        self.began = {}
        """Call → how often an agent was handed it."""
        self.said = {}
        """Call → what its agent answered, where it did."""
        self._tasks = set()
        self._numbers = 0

    # --- working ---------------------------------------------------------------------------------

    async def offer(self, place):
        """Let an agent of a place offer something, and work until the end."""
        scenario, name = self.scenario, f"worker of {place}"
        await scenario.do(place, lambda service: service.participant_add_custodial(name))
        form = CapabilityForm(name="echo", agent=name)
        view = await scenario.do(place, lambda service: service.capability_register(form))
        if view is not None:
            self.offers[place] = view
            self._tasks.add(scenario.world.loop.create_task(self._work(place, name)))

    async def _work(self, place, name):
        while not self.scenario.is_over:
            await asyncio.sleep(0.1)
            work = await self.scenario.do(place, lambda service: service.call_work(name, _WORK_MS))
            if work is not None:
                self.began[work.call] = self.began.get(work.call, 0) + 1
                await self._do(place, name, work)

    async def _do(self, place, name, work):
        """Do what is asked for; now and then the agent dies over it, or takes too long."""
        fate = self.draw.random()
        if fate < 0.15:
            return
        await asyncio.sleep(self.draw.expovariate(2.0))
        if fate < 0.4:
            await self.scenario.do(place, lambda service: service.call_progress(name, work.call, {"half": True}))
        result = WorkResult(code="no_paper") if fate > 0.9 else WorkResult(output={"said": work.input["text"]})
        self.said[work.call] = result
        await self.scenario.do(place, lambda service: service.call_finish(name, work.call, result))

    # --- calling ---------------------------------------------------------------------------------

    async def call(self):
        """Somebody calls an agent of a neighbour, or of its own node; now and then it thinks better of it."""
        place = self.draw.choice(self.scenario.world.places)
        hosts = [it for it in self.offers if it is place or (place.up and it.up and is_connected(place, it))]
        if not hosts or not place.up:
            return
        view = self.offers[self.draw.choice(hosts)]
        self._numbers += 1
        wait_ms = self.draw.choice(_WAITS_MS)
        text = {"text": f"call {self._numbers}"}
        form = CallForm(node=view.node, name=view.name, offer=view.offer, input=text, wait_ms=wait_ms)
        if self.draw.random() < 0.2:
            self._tasks.add(self.scenario.world.loop.create_task(self._cancel(place)))
        began = self.scenario.now
        ended = await self.scenario.do(place, lambda service: service.call(form))
        lasted = self.scenario.now - began
        if ended is not None and lasted > wait_ms / 1_000 + AFTER_DEADLINE_S + _DISKS_S:
            self.scenario.world.failed(f"{place} waited {lasted:.3f} s for a call of {wait_ms} ms")

    async def _cancel(self, place):
        await asyncio.sleep(self.draw.random())

        async def cancel(service):
            under_way = [it for it in service.calls_made(CallsMade()) if it.state == "open"]
            if under_way:
                service.call_cancel(under_way[0].call)

        await self.scenario.do(place, cancel)


def is_settled(calling):
    """Whether each call is over at both ends, where the two are connected."""
    world = calling.scenario.world
    for place in world.places:
        for _, record in _records(place, "calls_made"):
            if not record.is_over and is_owed(world, place, world.place_of(record.request.host)):
                return False
    return True


def _records(place, space):
    return CallRecords(place.life.node.store, space)


def is_owed(world, place, host):
    """Whether a host has still to tell a caller how a call ended."""
    return place is host or (
        not world.network.is_parted and is_connected(place, host) and is_connected(host, place) and not host.is_doubtful
    )


def check(calling):
    """Report what ran twice, what ended otherwise than it was run, and receipts that do not hold."""
    world, ended = calling.scenario.world, 0
    for place in world.places:
        for call, record in _records(place, "calls_made"):
            host = world.place_of(record.request.host)
            if not host.is_doubtful:
                _check_once(calling, place, host, call, record)
            if record.state == "ended":
                ended += 1
                _check_receipt(world, place, host, call, record)
            elif not record.is_over and is_owed(world, place, host):
                world.failed(f"{place} never heard how its call {call.hex()[:8]} at {host} ended")
    world.trace(f"{ended} calls ended, {len(calling.began)} were run")


def _check_once(calling, place, host, call, record):
    world, began = calling.scenario.world, calling.began.get(call.hex(), 0)
    outcome = record.outcome.outcome if record.outcome is not None else record.state
    what = f"the call {call.hex()[:8]} of {place} at {host}, {outcome},"
    if began > 1:
        world.failed(f"{what} was run {began} times")
    if began and (outcome in {"not_run", "refused"} or (outcome == "cancelled" and not record.outcome.began)):
        world.failed(f"{what} was run")
    if outcome in {"result", "error"}:
        _check_said(calling, what, call, record)


def _check_said(calling, what, call, record):
    said = calling.said.get(call.hex())
    wanted = "" if said is None else said.code or record.request.input
    got = record.outcome.code or (record.output or b"").replace(b'"said"', b'"text"')
    if wanted != got:
        calling.scenario.world.failed(f"{what} brought {got!r}, and its agent said {wanted!r}")


def _check_receipt(world, place, host, call, record):
    """Both nodes signed the same receipt, and each holds it with both signatures."""
    receipt = parse_receipt(record.receipt)
    signers = ((host, record.receipt_sig), (place, record.countersig))
    for signer, sig in signers:
        keys = [view.ed25519 for view in _epochs(place, signer)]
        if sig is None or not any(ed25519.verify(key, receipt_bytes(record.receipt), sig) for key in keys):
            world.failed(f"{place} holds a receipt of {call.hex()[:8]} that {signer} did not sign")
    held = _records(host, "calls_hosted").get(call)
    if host.is_doubtful or place.is_doubtful or not is_owed(world, place, host):
        return
    if held is None or (held.receipt, held.countersig) != (record.receipt, record.countersig):
        world.failed(f"{place} and {host} do not hold the same receipt of {call.hex()[:8]}, {receipt.outcome}")


def _epochs(place, signer):
    identities = place.life.node.store.identities
    return [identities.epoch(record.id) for record in identities.history(signer.node)]
