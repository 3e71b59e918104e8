from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from foedus.identity.ucan import CHAIN_MAX, covers, matches
from foedus.identity.ucan.errors import (
    Expired,
    InvalidAudience,
    InvalidClaim,
    InvalidCommand,
    InvalidSubject,
    MatchError,
    Revoked,
    TooEarly,
    UcanRefused,
)
from tests.identity.ucan.principals import ALICE, BOB, CAROL, DAN, DIDS, ERIN, NOW, claim, link


def test_a_chain_of_four_carries_authority():
    chain = [link(ALICE, BOB, "/msg"), link(BOB, CAROL), link(CAROL, DAN, "/msg/send"), link(DAN, ERIN, "/msg/send")]
    claim(chain, ERIN)


def test_the_subject_needs_no_proof_and_everybody_else_one():
    claim([], ALICE)
    with pytest.raises(InvalidClaim):
        claim([], BOB)


def test_proofs_of_the_subject_itself_must_hold_too():
    claim([link(ALICE, BOB), link(BOB, ALICE)], ALICE)
    with pytest.raises(InvalidAudience):
        claim([link(ALICE, BOB)], ALICE)


def test_the_root_is_issued_by_the_subject():
    with pytest.raises(InvalidClaim):
        claim([link(BOB, CAROL)], CAROL)


def test_a_chain_has_no_gap():
    with pytest.raises(InvalidAudience):
        claim([link(ALICE, BOB), link(CAROL, DAN)], DAN)
    with pytest.raises(InvalidAudience):
        claim([link(ALICE, BOB)], CAROL)


def test_the_root_comes_first():
    first, second = link(ALICE, BOB), link(BOB, CAROL)
    claim([first, second], CAROL)
    with pytest.raises(UcanRefused):
        claim([second, first], CAROL)


def test_a_command_is_covered_by_every_link():
    claim([link(ALICE, BOB, "/msg/send"), link(BOB, CAROL, "/msg/send")], CAROL)
    with pytest.raises(InvalidCommand):
        claim([link(ALICE, BOB, "/msg/send")], BOB, "/msg")
    with pytest.raises(InvalidCommand):
        claim([link(ALICE, BOB, "/msg/send"), link(BOB, CAROL, "/msg")], CAROL)
    with pytest.raises(InvalidCommand):
        claim([link(ALICE, BOB, "/msg")], BOB, "/msgevil")


def test_every_policy_must_match():
    chain = [link(ALICE, BOB, policy=[["==", ".room", 1]]), link(BOB, CAROL, policy=[["<", ".size", 10]])]
    claim(chain, CAROL, arguments={"room": 1, "size": 9})
    for arguments in ({"room": 2, "size": 9}, {"room": 1, "size": 10}, {}):
        with pytest.raises(MatchError):
            claim(chain, CAROL, arguments=arguments)


def test_every_link_is_in_its_time():
    chain = [link(ALICE, BOB, not_before=NOW - 5, expires=NOW + 5), link(BOB, CAROL, expires=None)]
    for now in (NOW - 5, NOW, NOW + 5):
        claim(chain, CAROL, now_s=now)
    with pytest.raises(Expired):
        claim(chain, CAROL, now_s=NOW + 6)
    with pytest.raises(TooEarly):
        claim(chain, CAROL, now_s=NOW - 6)


def test_one_revoked_link_breaks_the_chain():
    chain = [link(ALICE, BOB), link(BOB, CAROL)]
    for proof in chain:
        with pytest.raises(Revoked):
            claim(chain, CAROL, revoked={proof.cid}.__contains__)


def test_a_proof_is_about_the_subject():
    with pytest.raises(InvalidSubject):
        claim([link(ALICE, BOB), link(BOB, CAROL, subject=DIDS[BOB])], CAROL)


def test_powerlines_and_the_top_command_are_taken_from_our_own_only():
    powerline = [link(ALICE, BOB), link(BOB, CAROL, subject=None)]
    top = [link(ALICE, BOB, "/")]
    claim(powerline, CAROL, foreign=False)
    claim(top, BOB, foreign=False)
    for chain, issuer in ((powerline, CAROL), (top, BOB)):
        with pytest.raises(InvalidClaim):
            claim(chain, issuer)
    with pytest.raises(InvalidClaim):
        claim([], ALICE, "/")
    with pytest.raises(InvalidClaim):  # not even here is it a root
        claim([link(ALICE, BOB, subject=None)], BOB, foreign=False)


def test_chains_are_bounded():
    chain = [link(ALICE, BOB), *(link(BOB, BOB) for _ in range(CHAIN_MAX - 1))]
    claim(chain, BOB)
    with pytest.raises(InvalidClaim):
        claim([*chain, link(BOB, BOB)], BOB)


COMMANDS = ["/", "/msg", "/msg/send", "/msgevil"]
POLICIES = [[], [["==", ".room", 1]], [["<", ".size", 5]], [["or", [["==", ".room", 2], ["!=", ".size", 7]]]]]
POLICIES += [[["any", ".to", ["like", ".", "*@a"]]], [["not", ["==", ".room", 1]]], [["all", ".to", [">", ".", 0]]]]
ARGUMENTS = [{}, {"room": 1}, {"room": 2, "size": 7}, {"room": 1, "size": 3, "to": ["x@a", "y@b"]}, {"to": [1, 2]}]
WHO = st.integers(0, 2)
# Mostly what may hold, so that both answers come often.
LINKS = st.fixed_dictionaries(
    {
        "audience": WHO,
        "breaks": st.sampled_from([False] * 29 + [True]),
        "command": st.sampled_from(["/msg"] * 20 + COMMANDS),
        "policy": st.sampled_from([[]] * 20 + POLICIES),
        "subject": st.sampled_from([ALICE] * 28 + [None, BOB]),
        "not_before": st.sampled_from([None] * 18 + [NOW, NOW + 1]),
        "expires": st.sampled_from([None] * 17 + [NOW, NOW + 1, NOW - 1]),
    }
)
CHAINS = st.lists(LINKS, min_size=1, max_size=4)


def built(plans):
    """Issue the chain of the plans: each link by the audience before it, unless it is to break."""
    chain, holder = [], ALICE
    for plan in plans:
        issuer = (holder + 1) % 3 if plan["breaks"] else holder
        rest = {name: plan[name] for name in ("policy", "not_before", "expires")}
        subject = None if plan["subject"] is None else DIDS[plan["subject"]]
        chain.append(link(issuer, plan["audience"], plan["command"], subject=subject, **rest))
        holder = plan["audience"]
    return chain, holder


def allowed(chain, holder, command, arguments, foreign):
    try:
        claim(chain, holder, command, arguments=arguments, foreign=foreign)
    except UcanRefused:
        return False
    return True


def link_allows(proof, command, arguments):
    """The oracle: what one link says of a claim, whoever makes it."""
    in_time = (proof.expires is None or proof.expires >= NOW) and (proof.not_before is None or proof.not_before <= NOW)
    about = proof.subject in (None, DIDS[ALICE])
    return in_time and about and covers(proof.command, command) and matches(proof.policy, arguments)


@given(CHAINS, st.sampled_from(["/msg/send", "/msg", *COMMANDS]), st.sampled_from(ARGUMENTS), st.booleans())
def test_no_sequence_of_delegations_widens_rights(plans, command, arguments, foreign):
    chain, holder = built(plans)
    answer = allowed(chain, holder, command, arguments, foreign)
    event(f"allowed: {answer}, links: {len(chain)}")
    if not answer:
        return
    assert all(link_allows(proof, command, arguments) for proof in chain)
    for length in range(len(chain)):  # whoever passed it on might have done it themselves
        assert allowed(chain[:length], DIDS.index(chain[length].issuer), command, arguments, foreign)


@given(CHAINS, st.sampled_from(["/msg/send", "/msg", *COMMANDS]), st.sampled_from(ARGUMENTS))
def test_a_chain_allows_exactly_what_its_links_and_their_order_do(plans, command, arguments):
    chain, holder = built(plans)
    aligned = [DIDS[ALICE], *(proof.audience for proof in chain)] == [
        *(proof.issuer for proof in chain),
        DIDS[holder],
    ]
    narrowing = all(covers(above.command, below.command) for above, below in pairwise(chain))
    rooted = chain[0].subject == DIDS[ALICE]
    each = all(link_allows(proof, command, arguments) for proof in chain)
    assert allowed(chain, holder, command, arguments, foreign=False) is (aligned and narrowing and rooted and each)


OFFLINE = """
import sys
from tests.identity.ucan.principals import *
def deny(name, arguments):
    if name.startswith(("socket.", "open", "subprocess.", "os.", "urllib.")):
        raise SystemExit(f"it used {name}")
sys.addaudithook(deny)
chain = [link(ALICE, BOB, policy=[["like", ".to", "*@example.com"]]), link(BOB, CAROL)]
claim(chain, CAROL, arguments={"to": "a@example.com"})
"""


def test_verifying_opens_no_socket_and_no_file():
    done = subprocess.run([sys.executable, "-c", OFFLINE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
