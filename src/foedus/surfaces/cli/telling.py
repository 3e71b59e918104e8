"""How something is told of a packet or a task: by the key that the node keeps, or by one on this device."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import Parameter
from msgspec.structs import replace

from foedus.base.base64url import from_base64url
from foedus.base.cbor import encode
from foedus.base.errors import UsageError
from foedus.base.ids import parse_id
from foedus.base.limits import AUTH_MAX, NONCE_BYTES, SALT_BYTES
from foedus.identity.did import did_of
from foedus.identity.ucan.command import covers
from foedus.log.knowledge import read_knowledge
from foedus.node.knowledge_acts import refs_of
from foedus.node.knowledge_forms import Form
from foedus.surfaces.cli.crossing import decided, grants_of, is_done, is_for_a_person
from foedus.surfaces.cli.devices import device_folder, enrolled, signer_of
from foedus.surfaces.cli.options import PassphraseFile
from foedus.surfaces.cli.signing import Draft, Moment, signed_act
from foedus.surfaces.cli.speaking import choose_speaker
from foedus.trust.border import PUBLISH
from foedus.values.consent import ApprovalView, GrantView
from foedus.values.knowledge import KnowledgePlaced, PacketView, TaskView
from foedus.values.node import ParticipantView, SigningContext

if TYPE_CHECKING:
    from foedus.surfaces.cli.client import Client
    from foedus.surfaces.cli.output import Line, Output

As = Annotated[
    str, Parameter(name="--as", metavar="NAME", help="Who tells it. Needed where the node has several participants.")
]
OnlyDomain = Annotated[str, Parameter(help="Of this domain alone.")]
BATCH = 100
"""Acts in one request of an import: some 100 KB, and a progress bar that moves."""


class Teller:
    """A participant who tells things; a passphrase that is needed is asked for as it is made."""

    def __init__(self, node: Client, name: str, file: PassphraseFile) -> None:
        local = [who for who in node.get("/participants", list[ParticipantView]) if who.is_local]
        self.who = choose_speaker(local, name or node.speaker())
        self._node = node
        if self.who.custody != "node":
            folder = device_folder()
            entry, device = enrolled(folder, self.who)
            self._key = signer_of(node, folder, entry, file)
            self._auth = (parse_id(device.enrolment), *self._grants(did_of(parse_id(device.key))))[:AUTH_MAX]

    def _grants(self, device: str) -> list[bytes]:
        """Return what a person granted an agent with a key of its own for publishing; a person needs none."""
        if self.who.kind == "human":
            return []
        grants = self._node.get("/grants", list[GrantView])
        mine = (grant for grant in grants if grant.audience.did == device and grant.state == "in_force")
        return [parse_id(grant.id) for grant in mine if covers(grant.command, PUBLISH) and not grant.one_act]

    def one(self, domain: str, form: Form, wait_s: int = 0) -> KnowledgePlaced:
        """Tell one thing; where it needs a person's yes, wait so long for it, and return what waits then."""
        try:
            (placed,) = self.tell(domain, [form])
        except UsageError as error:
            if self.who.custody == "node" or not is_for_a_person(error, self.who):
                raise
            asked = msgspec.to_builtins(replace(form, as_=self.who.did))
            view = self._node.post("/knowledge/approvals", ApprovalView, asked)
            placed = KnowledgePlaced(
                id="", stream=f"knowledge:{domain}", seq=0, hlc=[0, 0], kept_from=[], approval=view.id
            )
        if not placed.approval:
            return placed
        view = decided(self._node, placed.approval, wait_s)
        if not is_done(view):
            return placed
        if view.event:
            return replace(placed, id=view.event, approval="")
        self._auth = (self._auth[0], *grants_of(view))
        act = self._signed(domain, form, self._node.get("/signing", SigningContext), from_base64url(view.salt, "salt"))
        (done,) = self._node.post("/knowledge/acts:signed", list[KnowledgePlaced], {"domain": domain, "acts": [act]})
        return done

    def tell(self, domain: str, forms: Sequence[Form]) -> list[KnowledgePlaced]:
        """Tell things in one domain, all or none."""
        if self.who.custody == "node":
            body = [msgspec.to_builtins(replace(form, as_=self.who.did)) for form in forms]
            return self._node.post("/knowledge/acts:batch", list[KnowledgePlaced], body)
        context = self._node.get("/signing", SigningContext)
        acts = [self._signed(domain, form, context) for form in forms]
        return self._node.post("/knowledge/acts:signed", list[KnowledgePlaced], {"domain": domain, "acts": acts})

    def _signed(self, domain: str, form: Form, context: SigningContext, salt: bytes = b"") -> Any:
        from foedus.surfaces.cli.devices import checked_now

        body = form.body()
        refs = refs_of(read_knowledge(form.kind, encode(body)))
        draft = Draft(self.who.did, f"knowledge:{domain}", form.kind, body, self._auth, refs)
        salt = salt or os.urandom(SALT_BYTES)
        moment = Moment(parse_id(context.epoch), checked_now(context), os.urandom(NONCE_BYTES), salt)
        return msgspec.to_builtins(signed_act(self._key, draft, moment))


def packet_of(node: Client, packet: str) -> PacketView:
    """Return a packet by its id or its first digits."""
    from foedus.surfaces.cli.client import path_of

    return node.get(path_of("knowledge", "packets", packet), PacketView)


def task_of(node: Client, task: str) -> TaskView:
    """Return a task by its id or its first digits."""
    from foedus.surfaces.cli.client import path_of

    return node.get(path_of("tasks", task), TaskView)


def show_placed(out: Output, placed: KnowledgePlaced, what: str, following: str) -> None:
    """Show what was told, and at which peers it does not count; or what waits for a person."""
    out.show(placed, lambda _: _placed_lines(placed, what))
    out.next(f"foedus approval allow {placed.approval} --as NAME" if placed.approval else following)


def _placed_lines(placed: KnowledgePlaced, what: str) -> Iterator[Line]:
    yield [f"this waits for a person: approval {placed.approval}" if placed.approval else f"{what}: {placed.id}"]
    for kept in placed.kept_from:
        yield [(f'not shown at "{kept.name}": {kept.clause} (docs/terms.md)', "yellow")]
