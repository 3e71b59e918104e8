"""The peering of two nodes, as one table: state and input to state, what is written, what is sent.

The whole protocol is ``TABLE``. The first row whose state, input and condition fit is taken; a human's input
without a row is refused with ``IllegalInput``; what arrives from the other node always has a row, since a crash,
a lost frame or a restored backup can bring any frame in any state. ``docs/peering-states.md`` is made from it.

Why the two sides always meet again, whatever was lost (links may lose frames but do not reorder them):

- Nothing flows before both agree: a side is CONNECTED only while it holds both signatures of one document.
- Each side that waits says so again when a link opens: ``request``, ``accepted``, ``confirmed``. Who has ended it
  waits for what the other says, since ``ended`` closes the link: a new request would be lost with it, each time.
- Whoever speaks as if connected (``accepted``, ``confirmed``, ``tier``) to a node that holds no such agreement
  hears ``ended``. A ``request`` to a connected node means that its sender is not: the old connection has ended.
  So "connected here, not there" lasts no longer than the next link.
- ``ended`` never answers a request (``declined`` does), so one that crosses a new request does not end it.
- Crossed requests: the draft of the smaller node id is used, and the other side signs it at once, since its
  human asked for exactly that node (a human who did not vouch for it is asked).
- ``require_mutual``: an answer to a request that our human did not vouch for waits (ANSWERED), unsigned. It is not
  kept: on ``peer confirm`` the request is said again, and the other, who is ACCEPTING, answers again. Whoever speaks
  as connected to a node that waits so (a backup was restored here) hears ``ended``.
- ``max_peers``: beyond it a human's wish is refused, and nothing is accepted or concluded unasked.
- An ignored node hears nothing: its requests are dropped as if they waited for ever. Only if it speaks as if
  connected it hears ``ended``, as from any node that holds nothing with it: it may have missed the end, and to
  be silent there would tell it that it is ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

from foedus.trust import rules
from foedus.trust.effects import (
    AskHuman,
    BecameConnected,
    BecameDisconnected,
    Effect,
    SendAccepted,
    SendConfirmed,
    SendDeclined,
    SendEnded,
    SendRequest,
    SendTier,
)
from foedus.trust.inputs import (
    AcceptedReceived,
    ConfirmedReceived,
    DeclinedReceived,
    EndedReceived,
    HumanAccept,
    HumanConfirm,
    HumanDecline,
    HumanDisconnect,
    HumanIgnore,
    HumanPause,
    HumanRequest,
    HumanResume,
    HumanTier,
    Input,
    LinkOpened,
    RequestReceived,
    TierReceived,
)
from foedus.trust.peer import Peer, State
from foedus.trust.rules import Context, always

UNKNOWN, REQUESTED, ANSWERED = State.UNKNOWN, State.REQUESTED, State.ANSWERED
INCOMING, ACCEPTING = State.INCOMING, State.ACCEPTING
CONNECTED, DISCONNECTED, DECLINED = State.CONNECTED, State.DISCONNECTED, State.DECLINED
TURNED_DOWN, IGNORED = State.TURNED_DOWN, State.IGNORED

Condition: TypeAlias = Callable[[Context], bool]
Writer: TypeAlias = Callable[[Context], Peer]


class Row(NamedTuple):
    """One line of the table. ``target`` None: the state stays. Effects are made from the peer as written."""

    state: State
    received: type[Input]
    condition: Condition
    target: State | None
    write: Writer
    effects: tuple[type[Effect], ...]


class Case(NamedTuple):
    """What happens on a condition; the input and the states stand before it."""

    condition: Condition
    target: State | None
    write: Writer
    effects: tuple[type[Effect], ...] = ()


def _rows(received: type[Input], states: tuple[State, ...], *cases: Case) -> Iterator[Row]:
    for state in states:
        for case in cases:
            yield Row(state, received, *case)


_STRANGE = (UNKNOWN, DECLINED, DISCONNECTED)
_APART = (*_STRANGE, TURNED_DOWN)
_TO_ACCEPTED = Case(rules.is_welcome, ACCEPTING, rules.accept_trusted, (SendAccepted,))
_TRUSTED_TO_ACCEPTED = Case(rules.is_trusted, ACCEPTING, rules.accept_trusted, (SendAccepted,))
_TO_WAITING = Case(always, INCOMING, rules.wait, (AskHuman,))
_CONCLUDE = Case(rules.answers_and_may_connect, CONNECTED, rules.connect, (SendConfirmed, SendTier, BecameConnected))
_TO_ANSWERED = Case(rules.answers_our_draft, ANSWERED, rules.hear_answer)
_NOT_CONNECTED = Case(always, None, rules.keep, (SendEnded,))
_VOID_REQUEST = Case(always, UNKNOWN, rules.forget, (SendEnded,))
_BROKEN_OFF = Case(always, DISCONNECTED, rules.part, (SendEnded,))
_NOTHING = Case(always, None, rules.keep)

TABLE: tuple[Row, ...] = (
    # What our human wants.
    *_rows(HumanRequest, (*_APART, IGNORED), Case(always, REQUESTED, rules.ask, (SendRequest,))),
    *_rows(HumanRequest, (REQUESTED,), Case(always, None, rules.ask_again, (SendRequest,))),
    *_rows(
        HumanRequest,
        (ANSWERED,),
        Case(rules.is_vouched, REQUESTED, rules.ask_again, (SendRequest,)),
        Case(always, None, rules.ask_again),
    ),
    *_rows(
        HumanRequest,
        (INCOMING,),
        Case(rules.is_vouched, ACCEPTING, rules.accept, (SendAccepted,)),
        Case(always, None, rules.refuse_unvouched),
    ),
    *_rows(HumanConfirm, (REQUESTED,), Case(always, None, rules.vouch)),
    *_rows(HumanConfirm, (ANSWERED,), Case(always, REQUESTED, rules.vouch, (SendRequest,))),
    *_rows(HumanAccept, (INCOMING,), Case(always, ACCEPTING, rules.accept, (SendAccepted,))),
    *_rows(HumanDecline, (INCOMING,), Case(always, DECLINED, rules.bar, (SendDeclined,))),
    *_rows(HumanIgnore, (*_APART, INCOMING), Case(always, IGNORED, rules.forget_and_bar)),
    *_rows(HumanDisconnect, (REQUESTED, ANSWERED, ACCEPTING), _BROKEN_OFF),
    *_rows(
        HumanDisconnect,
        (CONNECTED,),
        Case(always, DISCONNECTED, rules.part, (SendEnded, BecameDisconnected)),
    ),
    *_rows(HumanTier, (REQUESTED, ANSWERED), Case(always, None, rules.give_tier)),
    *_rows(HumanTier, (ACCEPTING,), Case(always, None, rules.give_tier, (SendAccepted,))),
    *_rows(HumanTier, (CONNECTED,), Case(always, None, rules.give_tier, (SendTier,))),
    *_rows(HumanPause, (CONNECTED,), Case(always, None, rules.pause)),
    *_rows(HumanResume, (CONNECTED,), Case(always, None, rules.resume)),
    # The other asks.
    *_rows(RequestReceived, (UNKNOWN, TURNED_DOWN), _TO_ACCEPTED, _TO_WAITING),
    *_rows(
        RequestReceived,
        (DECLINED,),
        _TO_ACCEPTED,  # trusted since the no
        Case(rules.is_known_draft, None, rules.keep, (SendDeclined,)),
        _TO_WAITING,
    ),
    *_rows(
        RequestReceived,
        (DISCONNECTED,),
        Case(rules.is_known_draft, None, rules.keep, (SendDeclined,)),  # the very request that was ended
        _TO_ACCEPTED,
        _TO_WAITING,
    ),
    *_rows(
        RequestReceived,
        (REQUESTED, ANSWERED),
        Case(rules.our_draft_rules, REQUESTED, rules.learn_request, (SendRequest,)),
        Case(rules.may_cross, ACCEPTING, rules.accept_crossed, (SendAccepted,)),
        _TO_WAITING,
    ),
    *_rows(
        RequestReceived,
        (INCOMING,),
        _TO_ACCEPTED,
        Case(rules.is_unchanged, None, rules.keep),
        Case(always, None, rules.wait, (AskHuman,)),
    ),
    *_rows(
        RequestReceived,
        (ACCEPTING,),
        Case(rules.is_known_draft, None, rules.sign_again, (SendAccepted,)),
        _TO_ACCEPTED,
        Case(rules.is_full, DISCONNECTED, rules.part),
        _TO_WAITING,
    ),
    *_rows(
        RequestReceived,
        (CONNECTED,),
        Case(rules.is_known_draft, None, rules.sign_again, (SendAccepted,)),  # restored from before our answer
        Case(rules.is_welcome, ACCEPTING, rules.accept_trusted, (SendAccepted, BecameDisconnected)),
        Case(rules.is_full, DISCONNECTED, rules.part, (BecameDisconnected,)),
        Case(always, INCOMING, rules.wait, (BecameDisconnected, AskHuman)),
    ),
    *_rows(RequestReceived, (IGNORED,), _TRUSTED_TO_ACCEPTED, _NOTHING),  # trusted since it was ignored
    # The other answers.
    *_rows(
        AcceptedReceived,
        (REQUESTED, ANSWERED),
        _CONCLUDE,
        _TO_ANSWERED,
        _NOTHING,  # our newer request is on its way
    ),
    *_rows(
        AcceptedReceived,
        (TURNED_DOWN,),
        _CONCLUDE,
        _TO_ANSWERED,
        _NOT_CONNECTED,
    ),
    *_rows(
        AcceptedReceived,
        (CONNECTED,),
        Case(rules.is_our_agreement, None, rules.learn_answer, (SendConfirmed,)),
        Case(always, DISCONNECTED, rules.part, (SendEnded, BecameDisconnected)),
    ),
    *_rows(AcceptedReceived, (ACCEPTING,), _BROKEN_OFF),  # each holds the other for the requester
    *_rows(
        ConfirmedReceived,
        (ACCEPTING,),
        Case(rules.signs_our_agreement, CONNECTED, rules.confirm, (BecameConnected,)),
        _BROKEN_OFF,
    ),
    *_rows(
        ConfirmedReceived,
        (CONNECTED,),
        Case(rules.signs_our_agreement, None, rules.confirm),
        Case(always, DISCONNECTED, rules.part, (SendEnded, BecameDisconnected)),
    ),
    *_rows(ConfirmedReceived, (REQUESTED,), _NOTHING),
    *_rows(ConfirmedReceived, (ANSWERED,), _BROKEN_OFF),
    *_rows(TierReceived, (ACCEPTING, CONNECTED), Case(always, None, rules.learn_tier)),
    *_rows(TierReceived, (REQUESTED,), _NOTHING),
    *_rows(TierReceived, (ANSWERED,), _BROKEN_OFF),
    *_rows(DeclinedReceived, (REQUESTED, ANSWERED), Case(always, TURNED_DOWN, rules.keep)),
    *_rows(DeclinedReceived, (*_APART, INCOMING, ACCEPTING, CONNECTED), _NOTHING),
    *_rows(EndedReceived, (INCOMING,), Case(always, UNKNOWN, rules.forget)),
    *_rows(EndedReceived, (ANSWERED, ACCEPTING), Case(always, DISCONNECTED, rules.part)),
    *_rows(EndedReceived, (CONNECTED,), Case(always, DISCONNECTED, rules.part, (BecameDisconnected,))),
    *_rows(EndedReceived, (*_APART, REQUESTED), _NOTHING),
    # It speaks as if something were between us.
    *_rows(AcceptedReceived, (*_STRANGE, IGNORED), _NOT_CONNECTED),
    *_rows(ConfirmedReceived, (*_APART, IGNORED), _NOT_CONNECTED),
    *_rows(TierReceived, (*_APART, IGNORED), _NOT_CONNECTED),
    *_rows(AcceptedReceived, (INCOMING,), _VOID_REQUEST),
    *_rows(ConfirmedReceived, (INCOMING,), _VOID_REQUEST),
    *_rows(TierReceived, (INCOMING,), _VOID_REQUEST),
    # A link opens: say again what may have been lost.
    *_rows(LinkOpened, (*_APART, INCOMING), Case(always, None, rules.learn_key)),
    *_rows(LinkOpened, (REQUESTED, ANSWERED), Case(always, None, rules.sign_again, (SendRequest,))),
    *_rows(LinkOpened, (ACCEPTING,), Case(always, None, rules.sign_again, (SendAccepted,))),
    *_rows(LinkOpened, (CONNECTED,), Case(always, None, rules.sign_again, (SendConfirmed, SendTier))),
    # An ignored node hears nothing.
    *_rows(DeclinedReceived, (IGNORED,), _NOTHING),
    *_rows(EndedReceived, (IGNORED,), _NOTHING),
    *_rows(LinkOpened, (IGNORED,), _NOTHING),
)
