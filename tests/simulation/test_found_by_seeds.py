"""Mistakes that seeds have found, each as a short story of its own: seeds change their course with the code."""

import asyncio

from foedus.crypto.words import to_words
from foedus.node.room_forms import Said
from foedus.trust.agreements.terms import SideTerms, Terms
from tests.simulation import peerings, terms
from tests.simulation.plans import Plan
from tests.simulation.simulate import simulate
from tests.simulation.world import EPOCH_US


def tell(story, pairs):
    """Let nodes that are connected in ``pairs`` live a story; then all that holds of any simulation must hold."""

    def prepare(scenario):
        def build():
            scenario.edges = dict.fromkeys(pairs)
            places = [scenario.world.add_place() for _ in range(1 + max(max(pair) for pair in pairs))]
            for one, other in pairs:
                peerings.connect(places[one], places[other], EPOCH_US)

        async def be_busy():
            scenario._human = scenario.world.loop.create_task(scenario._decide())
            await story(scenario, scenario.world.places)

        scenario._build, scenario._be_busy = build, be_busy

    outcome = simulate(0, Plan(nodes=0, rooms=0, messages=0, patience_s=100.0), prepare)
    assert not outcome.failures, outcome.report(0)
    return outcome


async def say(scenario, place, room, agent=""):
    placed = await scenario.do(place, lambda service: service.say(room, Said(text="so be it", as_=agent)))
    assert placed is not None
    scenario.acknowledge(placed, place)


async def make_room(scenario, host, *guests):
    view = await scenario.do(host, lambda service: service.room_create("hall"))
    scenario.rooms[view.room] = host
    scenario.world.wire.let_in(view.room, host.node)
    for guest in guests:
        await scenario._share(view.room, guest)
    await asyncio.sleep(1.0)
    return view.room


async def remove(scenario, host, room, guest):
    await scenario.do(host, lambda service: service.room_unshare(room, guest.node.hex()))


def test_what_an_agent_said_before_it_left_stands_for_who_comes_later():
    async def story(scenario, places):
        host, guest, late = places
        room = await make_room(scenario, host, guest)
        await scenario.trusted_agent(guest, "scout")
        await say(scenario, guest, room, "scout")
        await asyncio.sleep(1.0)
        await remove(scenario, host, room, guest)
        await scenario._share(room, late)

    tell(story, [(0, 1), (0, 2)])


def test_what_was_said_while_one_was_removed_unknowingly_arrives_once_it_is_back():
    async def story(scenario, places):
        host, guest = places
        room = await make_room(scenario, host, guest)
        await say(scenario, guest, room)
        scenario.world.network.part({guest: 1})
        await remove(scenario, host, room, guest)
        await say(scenario, guest, room)
        scenario.world.network.heal()
        await asyncio.sleep(60.0)
        await scenario._share(room, guest)

    tell(story, [(0, 1)])


def test_a_node_that_is_no_peer_may_open_two_epochs_a_day_if_a_person_agrees():
    async def story(scenario, places):
        host, guest, other = places
        room = await make_room(scenario, host, guest, other)
        for _ in range(2):
            await say(scenario, guest, room)
            await scenario.do(guest, lambda service: service.key_rotate())
            await asyncio.sleep(1.0)
        await say(scenario, guest, room)

    tell(story, [(0, 1), (0, 2)])


def test_a_backup_from_before_a_rotation_writes_nothing_with_its_old_keys():
    async def story(scenario, places):
        host, guest = places
        room = await make_room(scenario, host, guest)
        backup = guest.life.disk.copy()
        await scenario.do(guest, lambda service: service.key_rotate())
        await asyncio.sleep(1.0)
        guest.doubtful_since = 0.0
        scenario.is_busy = False  # nobody starts it again by itself
        guest.life.crash()
        guest.disk = backup
        await scenario.world.start(guest)
        for _ in range(300):
            await scenario.do(guest, lambda service: service.say(room, Said(text="with old keys?")))
            await asyncio.sleep(0.01)

    outcome = tell(story, [(0, 1)])
    assert any("recovers its identity" in line for line in outcome.lines)


def test_a_fork_that_is_shown_as_a_proof_alone_is_healed():
    async def story(scenario, places):
        owner, one, other = places
        room = await make_room(scenario, owner, one, other)
        twin = scenario.world.add_twin(owner)
        scenario.world.network.part({one: 1, twin: 1})
        await scenario.world.start(twin)
        await asyncio.sleep(5.0)
        for speaker in (twin, owner):
            await scenario.do(speaker, lambda service: service.say(room, Said(text="which?")))
        await asyncio.sleep(5.0)
        twin.life.crash()
        owner.doubtful_since = 0.0
        scenario.world.network.heal()

    outcome = tell(story, [(0, 1), (0, 2), (1, 2)])
    assert any("epoch" in line for line in outcome.lines)


def test_a_full_disk_leaves_no_events_without_the_identity_of_their_writer():
    async def story(scenario, places):
        host, guest, other = places
        room = await make_room(scenario, host, guest)
        await say(scenario, guest, room)
        full_until = scenario.now + 3.0
        scenario.world.faults = lambda life, _what: (
            "refuse" if life.place is other and scenario.now < full_until else ""
        )
        await scenario._share(room, other)
        await asyncio.sleep(5.0)
        scenario.is_busy = False
        other.life.crash()
        await scenario.world.start(other)

    tell(story, [(0, 1), (0, 2)])


async def agree(scenario, proposer, signer, wanted):
    await scenario.terms.propose(proposer, signer, wanted)
    await asyncio.sleep(1.0)
    (waiting,) = signer.life.service.agreements.show(proposer.node.hex()).waits_for_us
    await scenario.terms.sign(signer, proposer, waiting)
    await asyncio.sleep(1.0)


def test_what_was_said_while_a_direction_was_closed_arrives_once_it_is_open_again():
    """The guest had written in the room: its own chain stays visible to it, and hid that the others were closed."""

    async def story(scenario, places):
        host, guest = places
        room = await make_room(scenario, host, guest)
        for speaker in places:
            await say(scenario, speaker, room)
        await asyncio.sleep(1.0)
        await agree(scenario, host, guest, Terms(ours=SideTerms(directions=[])))
        await say(scenario, host, room)
        await agree(scenario, host, guest, Terms(ours=SideTerms(directions=["room"])))

    tell(story, [(0, 1)])


def test_who_ended_a_connection_can_be_asked_again():
    """Both held it to be over, and each new link was closed by the word that it is, before the request arrived."""

    async def story(scenario, places):
        one, other = places
        for ending, asking in ((one, other), (one, one)):
            await scenario.do(ending, lambda service: service.agreements.terminate(other.node.hex()))
            await asyncio.sleep(5.0)
            await scenario.terms.ask(asking, other if asking is one else one)
            await asyncio.sleep(30.0)
            assert terms.is_connected(one, other)
            assert terms.is_connected(other, one)

    tell(story, [(0, 1)])


def test_what_a_node_said_before_it_left_stands_after_it_recovers_its_identity():
    """It is no member any more, and what it wrote waits for the opening that only it can bring."""

    async def story(scenario, places):
        host, guest, other = places
        room = await make_room(scenario, host, guest, other)
        await say(scenario, guest, room)
        await scenario.do(guest, lambda service: service.room_leave(room))
        await asyncio.sleep(1.0)
        await recover(scenario, guest)

    tell(story, [(0, 1), (0, 2)])


def test_what_a_node_said_before_it_knew_that_it_was_removed_is_cut_after_it_recovers_its_identity():
    """The opening names what the host never took, so the host takes it now, and rejects it beyond the removal."""

    async def story(scenario, places):
        host, guest = places
        room = await make_room(scenario, host, guest)
        await say(scenario, guest, room)
        await asyncio.sleep(1.0)
        scenario.world.network.part({guest: 1})
        await remove(scenario, host, room, guest)
        await say(scenario, guest, room)
        scenario.world.network.heal()
        await asyncio.sleep(60.0)
        await recover(scenario, guest)
        await asyncio.sleep(60.0)
        store = host.life.node.store
        said = store.log.chain(guest.node, f"room:{room}", 0, 10)
        assert [row.verdict.name for row in said] == ["ACCEPTED", "REJECTED"]

    tell(story, [(0, 1)])


async def recover(scenario, place):
    await scenario.do(place, lambda service: service.key_recover(" ".join(to_words(place.words))))
    await asyncio.sleep(1.0)


def test_a_removal_is_shown_once_the_agreement_lets_rooms_pass_again():
    """It was sent against the agreement, refused there, and never again on that link."""

    async def story(scenario, places):
        host, guest = places
        room = await make_room(scenario, host, guest)
        await say(scenario, guest, room)
        await agree(scenario, host, guest, Terms(ours=SideTerms(directions=[])))
        await asyncio.sleep(2.0)
        await remove(scenario, host, room, guest)
        await asyncio.sleep(2.0)
        held = guest.life.node.store.admission.authority.rooms[bytes.fromhex(room)]
        assert guest.node in held.present()
        await agree(scenario, host, guest, Terms(ours=SideTerms(directions=["room"])))
        await asyncio.sleep(2.0)
        assert guest.node not in held.present()

    tell(story, [(0, 1)])


def test_an_end_that_a_full_disk_did_not_take_is_heard_on_the_next_link():
    """The link was lost while the end was being written: nobody dialled any more, and the write failed."""

    async def story(scenario, places):
        one, other = places
        refused = []

        def full(life, what):
            is_now = life.place is other and what == "log" and not terms.is_connected(other, one) and not refused
            if is_now:
                refused.append(life.node.links.get(one.node))
            return "refuse" if is_now else ""

        scenario.world.faults = full
        scenario.world.disk_s = 1.0
        await scenario.do(one, lambda service: service.agreements.terminate(other.node.hex()))
        await asyncio.sleep(5.0)
        assert refused == [None]
        await asyncio.sleep(30.0)
        assert not terms.is_connected(other, one)

    tell(story, [(0, 1)])


def test_what_comes_of_ones_own_after_a_recovery_of_the_identity_is_cut():
    """It came in streams that the backup did not know, and waited for ever for an opening; or a start opened it."""

    async def story(scenario, places):
        host, guest = places
        room = await make_room(scenario, host, guest)
        backup = guest.life.disk.copy()
        guest.doubtful_since = scenario.now
        await scenario.trusted_agent(guest, "scout")
        await say(scenario, guest, room, "scout")
        await asyncio.sleep(1.0)
        scenario.world.network.part({guest: 1})
        scenario.is_busy = False  # nobody starts it again by itself
        guest.life.crash()
        guest.disk = backup
        await scenario.world.start(guest)
        await recover(scenario, guest)
        scenario.world.network.heal()
        await asyncio.sleep(60.0)
        for _ in range(2):
            logs = [place.life.node.store.log for place in places]
            late = [row for log in logs for row in log.since(0, 1_000) if row.kind in {"device.enrol", "message.text"}]
            assert {(row.verdict.name, row.reason) for row in late} == {("REJECTED", "superseded")}
            await guest.life.stop()
            await scenario.world.start(guest)
            await asyncio.sleep(60.0)

    tell(story, [(0, 1)])
