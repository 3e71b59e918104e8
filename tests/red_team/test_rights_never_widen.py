"""Property: whatever people and agents of several nodes delegate, no act passes that its chain does not carry.

Whole acts, through authority and evaluator. The oracle looks at each cited link alone, and knows no chains.
"""

from itertools import pairwise

from hypothesis import event, given, settings
from hypothesis import strategies as st

from foedus.base.cbor import decode
from foedus.base.limits import SECOND
from foedus.identity.ucan import covers, matches, parse_delegation
from foedus.log.port import Verdict
from foedus.trust import border
from foedus.trust.border import SPEAK
from foedus.trust.evaluator import Allow, Author, Seat, Terms, decide, no_clause, one_signer
from foedus.trust.standing import Standing
from tests.log.builder import World
from tests.log.delivery import Receiver

PEOPLE = ("ada", "bea", "chief", "scout", "stranger")
"""Two humans and two agents of one node, and a human of another."""
COMMANDS = (SPEAK, "/foedus/room", "/foedus", "/foedus/query/ask", "/foedus/room/speakers")
POLICIES = ([], [["==", ".kind", "message.text"]], [["==", ".room", "00" * 32]])


def links(by, to, of):
    """A delegation whose parts are mostly sound: what is drawn at random alone hardly ever carries anything."""
    return st.fixed_dictionaries(
        {
            "by": by,
            "to": to,
            "of": of,
            "command": st.sampled_from([SPEAK, SPEAK, "/foedus/room", *COMMANDS]),
            "policy": st.sampled_from([[], *POLICIES]),
            "life_s": st.sampled_from([*[None] * 12, 3_600, -1]),
            "taken_back": st.sampled_from([*[False] * 15, True]),
        }
    )


@st.composite
def delegations(draw):
    """A way from a human to the agent, link by link, and some that lead anywhere."""
    way = draw(st.permutations(["bea", "chief", "stranger"]))[: draw(st.integers(0, 2))]
    people = [draw(st.sampled_from(["ada", "ada", "bea", "stranger"])), *way, "scout"]
    of = st.sampled_from([people[0]] * 9 + ["bea"])
    led = [draw(links(st.just(by), st.just(to), of)) for by, to in pairwise(people)]
    anyone = st.sampled_from(PEOPLE)
    return led + draw(st.lists(links(anyone, anyone, anyone), max_size=2))


SIGNERS = st.sets(st.sampled_from(["ada", "bea", "stranger"]), min_size=1)
AT_ANY_ORDER = st.just(range(6)) | st.permutations(range(6))


class Town:
    """A room of one node in which the agent of another speaks, and people who delegate."""

    def __init__(self, plans):
        self.world = World("town", signed=False)
        self.host, self.guest = self.world.node("host"), self.world.node("guest")
        self.people = {
            name: (self.host if name == "stranger" else self.guest).participant(
                name, "agent" if name in {"chief", "scout"} else "human"
            )
            for name in PEOPLE
        }
        self.room = self.host.room()
        self.membership = self.room.add(self.guest)
        self.granted = [(plan, self.delegate(plan)) for plan in plans]

    def delegate(self, plan):
        by, to, of = (self.people[plan[role]] for role in ("by", "to", "of"))
        life = plan["life_s"]
        grant = by.grant(
            to.devices[0],
            subject=of.did,
            command=plan["command"],
            policy=plan["policy"],
            expires=None if life is None else self.world.now // SECOND + life,
        )
        if plan["taken_back"]:
            by.withdraw(grant, [])
        return grant

    def judged(self, order, signers):
        """Let scout speak, citing all grants in some order; return whether the host lets it in, with the act."""
        cited = [self.granted[place][1] for place in order if place < len(self.granted)]
        scout = self.people["scout"]
        auth = (scout.devices[0].enrolment, self.membership.id, *(grant.id for grant in cited))
        said = self.room.say(scout, self.membership, auth=auth)
        receiver = Receiver(self.world.records())
        receiver.take_all(self.world.events)
        act, authority = said.event.act, receiver.admission.authority
        row = receiver.log.by_ids([said.id])[said.id]
        crossing = border.in_room(act, self.room.id.hex(), self.host.id, self.guest.id)
        named = frozenset(self.people[name].did for name in signers)
        decision = decide(
            crossing,
            Author(scout.did, is_human=False, device=scout.devices[0].public),
            authority.grants_of(act),
            Terms(named, no_clause, one_signer),
            said.event.hlc[0],
            seat=Seat(None, Standing.NORMAL),
        )
        return row.verdict is Verdict.ACCEPTED and isinstance(decision, Allow), crossing, said

    def carries(self, plan, grant, crossing, at):
        """Say of one link, alone, whether it allows this claim now."""
        token = parse_delegation(decode(grant.envelope.body)["ucan"])
        in_time = token.expires is None or token.expires >= at // SECOND
        is_ours = plan["by"] != "stranger"
        covered = covers(token.command, crossing.command) and matches(token.policy, crossing.arguments)
        return in_time and is_ours and covered and not plan["taken_back"]


def reachable(plans, start, goal):
    """Whether delegations lead from a human's device to the agent's, each about what is that human's."""
    reached, frontier = {start}, [start]
    while frontier:
        here = frontier.pop()
        for link in plans:
            if link["of"] == start and link["by"] == here and link["to"] not in reached:
                reached.add(link["to"])
                frontier.append(link["to"])
    return goal in reached


@settings(max_examples=300, deadline=None)
@given(delegations(), SIGNERS, AT_ANY_ORDER)
def test_no_sequence_of_delegations_widens_what_an_act_may_do(plans, signers, order):
    town = Town(plans)
    passes, crossing, said = town.judged(order, signers)
    at = said.event.hlc[0]
    sound = [plan for plan, grant in town.granted if town.carries(plan, grant, crossing, at)]
    ways = [name for name in signers - {"stranger"} if reachable(sound, name, "scout")]
    event(f"passes: {passes}, could pass: {bool(ways)}")
    assert not passes or ways, "it passes only in the name of a named human of its own node, link by link"


def test_the_property_would_notice():
    """A chain that carries does pass, and the same with one link wider than the one above does not."""
    first = {"by": "ada", "to": "chief", "of": "ada", "command": SPEAK, "policy": [], "life_s": None}
    second = {**first, "by": "chief", "to": "scout"}
    good = [{**link, "taken_back": False} for link in (first, second)]
    assert Town(good).judged(range(6), {"ada"})[0]
    wider = [{**good[0], "policy": POLICIES[2]}, good[1]]
    assert not Town(wider).judged(range(6), {"ada"})[0]
    for above, below in pairwise(COMMANDS[::-1]):
        narrow = [{**good[0], "command": above}, {**good[1], "command": below}]
        assert not Town(narrow).judged(range(6), {"ada"})[0] or (covers(above, SPEAK) and covers(below, SPEAK))
