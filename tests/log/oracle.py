"""The authority verdict again, slowly: docs/protocol.md section 4 read aloud, a function of sets.

Shares with ``foedus.log`` only the identity directory, the shapes of bodies and the parser. Nothing is kept between
calls, nothing is updated: every verdict is looked up from all that is held.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from foedus.base.cbor import Malformed, NotCanonical, decode_as, encode
from foedus.base.errors import FoedusError
from foedus.base.ids import sha256
from foedus.base.limits import HOUR, MINUTE, SECOND
from foedus.crypto import ed25519
from foedus.identity.did import did_of
from foedus.identity.directory import IdentityDirectory
from foedus.identity.ucan import parse_delegation, parse_revocation
from foedus.identity.ucan.errors import InvalidSignature
from foedus.log.bodies import SHAPES
from foedus.log.event import Parsed
from foedus.log.participants import possession_bytes
from foedus.log.streams import chain_id

OK = ("accepted", "")
BY_NODE = {  # kind → streams, where the node itself acts
    "epoch.open": {"node", "participant", "members", "room", "pair"},
    "checkpoint": {"node", "participant", "members", "room", "pair"},
    "node.profile": {"node"},
    "room.create": {"members"},
    "member.add": {"members"},
    "member.remove": {"members"},
    "message.text": {"room"},
    "room.leave": {"room"},
    "event.erase": {"room"},
    "agreement.propose": {"pair"},
    "agreement.counter": {"pair"},
    "agreement.sign": {"pair"},
    "agreement.decline": {"pair"},
    "agreement.withdraw": {"pair"},
    "agreement.end": {"pair"},
}
BY_DEVICE = {
    "device.enrol": {"participant"},
    "device.revoke": {"participant"},
    "grant.create": {"participant"},
    "grant.revoke": {"participant"},
    "document.session": {"participant"},
    "document.update": {"room"},
    "message.text": {"room"},
    "event.erase": {"room"},
}
NOT_ERASABLE = {"epoch.open", "checkpoint", "room.leave", "event.erase"}
OTHER_BY_NODE = {"node", "members", "room", "pair"}
OTHER_BY_DEVICE = {"participant", "room"}


@dataclass
class Oracle:
    """``held``: the events that stand in their chains, with the bodies that came; ``forks``: chain → lowest fork."""

    held: list[Parsed]
    forks: dict[tuple[bytes, str], int]
    identities: IdentityDirectory
    known: set[bytes]  # also those that were set aside
    aside: list[Parsed] = field(default_factory=list)

    def __post_init__(self):
        self.by_id = {parsed.id: parsed for parsed in self.held}
        self.at = {(p.event.epoch, p.event.stream, p.event.seq): p for p in self.held}
        self._folds = {}
        self._withdrawn = {}
        self._sessions = {}

    def node(self, parsed):
        return self.identities.node_of(parsed.event.epoch)

    def body(self, parsed):
        shape = SHAPES.get(parsed.event.act.kind)
        if parsed.envelope.body is None or shape is None:
            return None
        try:
            return decode_as(parsed.envelope.body, shape)
        except (Malformed, NotCanonical):
            return None

    def verdicts(self) -> dict[bytes, tuple[str, str]]:
        return {parsed.id: self.verdict(parsed) for parsed in self.held}

    def verdict(self, parsed: Parsed) -> tuple[str, str]:
        kind, _, subject = parsed.event.stream.partition(":")
        if kind == "participant":
            return self.participant(self.node(parsed), subject)[0][parsed.id]
        if kind == "members":
            return self.room(subject)[0][parsed.id]
        first = self.before_authority(parsed)
        if first is not None:
            return first
        if kind in {"node", "pair"}:
            return OK
        found = self.in_room(parsed, subject)
        return self.erase(parsed, subject) if (parsed.event.act.kind, found) == ("event.erase", OK) else found

    # erasure

    def erase(self, parsed, subject):
        act, node, body = parsed.event.act, self.node(parsed), self.body(parsed)
        if parsed.envelope.body is None:
            return ("pending", "body")
        if body is None:
            return ("rejected", "malformed_event")
        host = next((self.node(p) for p in self.held if self.creates(p, subject)), None)
        moderates = body.reason == "moderator" and self.role(parsed, subject) >= 700
        if body.reason != "author" and (act.device is not None or node != host) and not moderates:
            return ("rejected", "role")
        return OK

    def erased(self) -> set[bytes]:
        """Return the ids of the events whose bodies are erased: those that an accepted erase names and may."""
        everything = self.by_id | {p.id: p for p in self.aside if p.id not in self.by_id}
        found = set()
        for parsed in self.held:
            if parsed.event.act.kind == "event.erase" and self.verdict(parsed) == OK:
                named = [everything[target] for target in self.body(parsed).targets if target in everything]
                found |= {other.id for other in named if self.may_erase(parsed, other)}
        return found

    def may_erase(self, parsed, other):
        if other.event.stream != parsed.event.stream or other.event.act.kind in NOT_ERASABLE:
            return False
        same = (other.event.act.author, self.node(other)) == (parsed.event.act.author, self.node(parsed))
        return same or self.body(parsed).reason != "author"

    # rules 1 to 4

    def before_authority(self, parsed):
        event, act = parsed.event, parsed.event.act
        chain = (event.epoch, event.stream)
        earlier = [self.at[*chain, seq].event.act for seq in range(1, event.seq)]
        if act.device is not None and any((a.device, a.nonce) == (act.device, act.nonce) for a in earlier):
            return ("rejected", "replayed_nonce")
        honoured = self.honoured(*chain, event.seq)
        if honoured is not None:
            return honoured
        if abs(act.at - event.hlc[0]) > 10 * MINUTE:
            return ("rejected", "excessive_drift")
        kind = event.stream.partition(":")[0]
        table, others = (BY_NODE, OTHER_BY_NODE) if act.device is None else (BY_DEVICE, OTHER_BY_DEVICE)
        allowed = table.get(act.kind, () if act.kind in SHAPES else others)
        return None if kind in allowed else ("rejected", "not_permitted")

    def honoured(self, epoch, stream, seq):
        if self.identities.is_void(epoch):
            return ("rejected", "superseded")
        path = [record.id for record in self.identities.history(self.identities.node_of(epoch))]
        if epoch not in path:
            return ("pending", "contested")
        later = path[path.index(epoch) + 1 :]
        for successor in later:
            opening = self.at.get((successor, stream, 1))
            if opening is None or (self.honoured(successor, stream, 1) or OK)[0] == "rejected":
                continue
            prev = opening.event.prev
            if prev is not None and prev not in self.by_id:
                return ("pending", "opening")
            place = self.by_id[prev].event if prev is not None else None
            cut = place.seq if place is not None and place.epoch == epoch else 0
            return None if seq <= cut else ("rejected", "superseded")
        if any(self.identities.cause(successor) == "recovery" for successor in later):
            return ("pending", "opening")
        fork = self.forks.get((epoch, stream))
        return ("rejected", "equivocation") if fork and seq >= fork else None

    # rules 5 and 6, rooms

    def in_room(self, parsed, subject):
        event, act = parsed.event, parsed.event.act
        if act.kind in {"epoch.open", "checkpoint"}:
            return OK
        node, chain = self.node(parsed), chain_id(event.epoch, event.stream)
        found = self.by_device(parsed, subject, node, chain) if act.device is not None else None
        if found is not None:
            return found
        verdicts, withdrawn = self.room(subject)
        for cited in act.auth:
            add = self.by_id.get(cited)
            if add is None or cited not in withdrawn or verdicts.get(cited) != OK:
                continue
            body = self.body(add)
            covers = body.node == node and (act.device is None or body.participant in {None, act.author})
            after_heads = event.seq > {cut.chain: cut.seq for cut in body.heads}.get(chain, 0)
            cuts = withdrawn[cited]
            if covers and after_heads and (cuts is None or event.seq <= cuts.get(chain, 0)):
                if self.role(parsed, subject) < {"room.leave": 0, "event.erase": 0}.get(act.kind, 300):
                    return ("rejected", "role")
                return self.by_grants(parsed, chain)
        return self.unfounded(parsed, "not_permitted")

    def by_device(self, parsed, subject, node, chain):
        """Return why the device, or the session key, that signed an act does not carry it."""
        event, act = parsed.event, parsed.event.act
        _, devices = self.participant(node, act.author)
        session = None if act.device in devices else self._sessions.get((node, act.author), {}).get(act.device)
        enrolment, revoked = devices.get(act.device, (None, None))
        if session is not None:
            enrolment, revoked = session.id, devices[session.event.act.device][1]
        if enrolment not in act.auth:
            return self.unfounded(parsed, "unknown_device")
        if revoked is not None and event.seq > revoked.get(chain, 0):
            return ("rejected", "unknown_device")
        fits = session is None or self.signs(session, parsed, subject)
        return None if fits else ("rejected", "not_permitted")

    def signs(self, session, parsed, subject):
        """Tell whether a session lets its key sign an act of a room, but for the document."""
        body = self.body(session)
        is_there = body.room == sha256(encode([bytes.fromhex(subject), ""]))
        return parsed.event.act.kind == "document.update" and is_there and parsed.event.hlc[0] < body.until

    # rule 8

    def role(self, parsed, subject):
        """Return the role at the place of an act that a membership carries."""
        event, act = parsed.event, parsed.event.act
        node, chain = self.node(parsed), chain_id(event.epoch, event.stream)
        _, withdrawn = self.room(subject)
        held = []
        for added, cuts in withdrawn.items():
            body = self.body(self.by_id[added])
            begins = {cut.chain: cut.seq for cut in body.heads}.get(chain, 0)
            ends = event.seq if cuts is None else cuts.get(chain, 0)
            covers = act.device is None or body.participant in {None, act.author}
            if body.node == node and covers and begins < event.seq <= ends:
                held.append(body)
        if act.device is None:
            held = [body for body in held if body.participant is None] or held
            if self.node(next(p for p in self.held if self.creates(p, subject))) == node:
                return 999
        return 300 if held[-1].role is None else held[-1].role

    # rule 9

    def by_grants(self, parsed, chain):  # noqa: C901, PLR0911  # the rule, clause by clause
        links = []
        for cited in parsed.event.act.auth:
            held = self.by_id.get(cited)
            if held is None and cited not in self.known:
                return ("pending", "auth")
            aside = [one for one in self.aside if held is None and one.id == cited and self.is_of_participant(one)]
            for one in (one for one in aside if one.event.act.kind == "grant.create"):
                is_own = self.node(one) == self.node(parsed)
                return ("pending", "auth") if is_own and self.pends(one) else ("rejected", "invalid_grant")
            if held is None or held.event.act.kind != "grant.create" or not self.is_of_participant(held):
                continue
            if self.node(held) != self.node(parsed):
                return ("rejected", "invalid_grant")
            verdict = self.verdict(held)[0]
            if verdict == "pending":
                return ("pending", "auth")
            if verdict != "accepted":
                return ("rejected", "invalid_grant")
            links.append(held)
        now = parsed.event.hlc[0]
        tokens = [parse_delegation(self.body(held).ucan) for held in links]
        if any(
            (token.not_before or 0) * SECOND > now
            or (token.expires is not None and now >= (token.expires + 1) * SECOND)
            for token in tokens
        ):
            return ("rejected", "expired_grant")
        for position, held in enumerate(links):
            if self.is_withdrawn(held, tokens[position].cid, links, chain, parsed.event.seq):
                return ("rejected", "revoked_grant")
        return OK

    @staticmethod
    def is_of_participant(held):
        return held.event.stream.startswith("participant:")

    def is_withdrawn(self, held, cid, links, chain, seq):
        _, devices = self.participant(self.node(held), held.event.act.author)
        _, revoked = devices[held.event.act.device]
        if revoked is not None and seq > revoked.get(chain, 0):
            return True
        for issued in links:
            key = (self.node(issued), issued.event.act.author)
            self.participant(*key)
            cuts = self._withdrawn.get((*key, cid))
            if cuts is not None and seq > cuts.get(chain, 0):
                return True
        return False

    def unfounded(self, parsed, reason):
        act, node = parsed.event.act, self.node(parsed)
        for cited in act.auth:
            held = self.by_id.get(cited) or next((one for one in self.aside if one.id == cited), None)
            if held is None and cited not in self.known:
                return ("pending", "auth")
            if held is None:
                continue
            kind, stream = held.event.act.kind, held.event.stream
            enrols = (
                kind in {"device.enrol", "document.session"}
                and stream == f"participant:{act.author}"
                and self.node(held) == node
            )
            adds = kind == "member.add" and stream == parsed.event.stream.replace("room:", "members:")
            is_pending = self.verdict(held)[0] == "pending" if cited in self.by_id else self.pends(held)
            if (enrols or adds) and is_pending:
                return ("pending", "auth")
        return ("rejected", reason)

    def pends(self, aside):
        """Whether it is open what is honoured of the chain of an event that is not in it."""
        event = aside.event
        return (self.honoured(event.epoch, event.stream, event.seq) or OK)[0] == "pending"

    # rules 5 and 6, participants

    def participant(self, node, did):
        """Return verdicts by id, and device → (enrolment, cuts of its revocation or None)."""
        if (node, did) not in self._folds:
            self._folds[node, did] = self._participant(node, did)
        return self._folds[node, did]

    def _participant(self, node, did):
        verdicts, devices, first = {}, {}, None
        for parsed in self.in_order(node, f"participant:{did}"):
            found = self.before_authority(parsed)
            if found is None and parsed.envelope.body is None:
                found = ("pending", "body")
            if found is None and parsed.event.act.device is None:
                found = OK
            if found is None:
                found = self._on_device(parsed, node, did, devices, first)
                first = first or (self.body(parsed) if found == OK else None)
            verdicts[parsed.id] = found
        return verdicts, devices

    def _on_device(self, parsed, node, did, devices, first):  # noqa: C901, PLR0911  # the rules, in their order
        act, body = parsed.event.act, self.body(parsed)
        if act.author != did:
            return ("rejected", "not_permitted")
        if act.kind == "device.enrol" and body is not None and not devices:
            own = body.device == act.device and did_of(body.device) == did and body.possession is None
            ours = (body.node, body.did) == (node, did) and (body.custody, body.kind) != ("node", "human")
            if not own or not ours:
                return ("rejected", "unknown_device")
            devices[body.device] = (parsed.id, None)
            return OK
        enrolment, revoked = devices.get(act.device, (None, {}))
        recovers = first is not None and first.recovery is not None and sha256(act.device) == first.recovery
        may_recover = recovers and act.kind in {"device.enrol", "device.revoke"} and body is not None
        if (revoked is not None or enrolment not in act.auth) and not may_recover:
            return ("rejected", "unknown_device")
        if act.kind in SHAPES and body is None:
            return ("rejected", "malformed_event")
        if act.kind == "device.enrol":
            ours = (body.node, body.did) == (node, did) and not (
                body.custody == "node" and "human" in {body.kind, first.kind}
            )
            if not ours or body.device in devices or body.possession is None:
                return ("rejected", "not_permitted")
            if not ed25519.verify(body.device, possession_bytes(did, body.device, node), body.possession):
                return ("rejected", "invalid_signature")
            devices[body.device] = (parsed.id, None)
        if act.kind == "device.revoke":
            enrolment, revoked = devices.get(body.device, (None, {}))
            if revoked is not None:
                return ("rejected", "unknown_device")
            devices[body.device] = (enrolment, {cut.chain: cut.seq for cut in body.cuts})
        if act.kind in {"grant.create", "grant.revoke"}:
            return self._on_grant(act, body, node, did)
        if act.kind == "document.session":
            return self._on_session(parsed, body, devices, self._sessions.setdefault((node, did), {}))
        return OK

    def _on_session(self, parsed, body, devices, sessions):
        lasts = body.until - parsed.event.hlc[0]
        if body.key in devices or body.key in sessions or lasts > 24 * HOUR:
            return ("rejected", "not_permitted")
        sessions[body.key] = parsed
        return OK

    def _on_grant(self, act, body, node, did):
        parse = parse_delegation if act.kind == "grant.create" else parse_revocation
        try:
            token = parse(body.ucan)
        except InvalidSignature:
            return ("rejected", "invalid_signature")
        except FoedusError:
            return ("rejected", "malformed_event")
        if token.issuer != did_of(act.device):
            return ("rejected", "not_permitted")
        if act.kind == "grant.revoke":
            self._withdrawn.setdefault((node, did, token.revoked), {cut.chain: cut.seq for cut in body.cuts})
        return OK

    # rules 5 and 6, memberships

    def room(self, subject):
        """Return verdicts by id, and accepted ``member.add`` → the cuts that withdraw it, or None."""
        if subject not in self._folds:
            self._folds[subject] = self._room(subject)
        return self._folds[subject]

    def _room(self, subject):
        stream = f"members:{subject}"
        events = [parsed for parsed in self.held if parsed.event.stream == stream]
        host = next((self.node(parsed) for parsed in events if self.creates(parsed, subject)), None)
        verdicts, withdrawn, is_created = {}, {}, False
        for parsed in self.in_order(host, stream) if host else []:
            found = self.before_authority(parsed)
            if found is None and not is_created and parsed.event.act.kind != "room.create":
                found = ("rejected", "not_permitted")
            if found is None and parsed.envelope.body is None:
                found = ("pending", "body")
            if found is None:
                found = self._on_members(parsed, subject, withdrawn, is_created)
                is_created = is_created or (found == OK)
            verdicts[parsed.id] = found
        for parsed in events:
            if self.node(parsed) != host:
                waits = host is None and parsed.envelope.body is None and parsed.event.act.kind == "room.create"
                found = ("pending", "body") if waits else ("rejected", "not_permitted")
                verdicts[parsed.id] = self.before_authority(parsed) or found
        return verdicts, withdrawn

    def creates(self, parsed, subject):
        body = self.body(parsed) if parsed.event.act.kind == "room.create" else None
        return body is not None and sha256(parsed.envelope.body).hex() == subject and body.host == self.node(parsed)

    def _on_members(self, parsed, subject, withdrawn, is_created):
        kind, body = parsed.event.act.kind, self.body(parsed)
        if kind == "room.create" and body is not None:
            fits = not is_created and self.creates(parsed, subject)
            return OK if fits else ("rejected", "not_permitted")
        if kind in {"room.create", "member.add", "member.remove"} and body is None:
            return ("rejected", "malformed_event")
        if kind == "member.add":
            withdrawn[parsed.id] = None
        if kind == "member.remove":
            for added, cuts in withdrawn.items():
                other = self.body(self.by_id[added])
                same = other.node == body.node and body.participant in {None, other.participant}
                if cuts is None and same:
                    withdrawn[added] = {cut.chain: cut.seq for cut in body.cuts}
        return OK

    def in_order(self, node, stream):
        path = [record.id for record in self.identities.history(node)]

        def place(parsed):
            epoch = parsed.event.epoch
            return (path.index(epoch) if epoch in path else len(path), epoch, parsed.event.seq)

        return sorted((p for p in self.held if p.event.stream == stream and self.node(p) == node), key=place)
