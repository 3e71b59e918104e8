"""Packets and tasks as surfaces see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foedus.base.base64url import to_base64url
from foedus.identity.did import did_of
from foedus.log.knowledge import (
    KnowledgePublish,
    KnowledgeRepublish,
    KnowledgeRetract,
    TaskDone,
    TaskOffer,
    TaskProgress,
)
from foedus.state.knowledge.packets import Packet, content_of
from foedus.state.knowledge.source import Proved, Source, prove, read_source
from foedus.state.knowledge.tasks import Task
from foedus.state.knowledge.told import Told
from foedus.values.knowledge import DataView, PacketView, SourceView, TaskView, ToldView, WhoView

if TYPE_CHECKING:
    from foedus.node.composition import Node
    from foedus.node.views import Views


class KnowledgeViews:
    """Makes views of what ``node.knowledge`` returns."""

    def __init__(self, node: Node, views: Views) -> None:
        self._node = node
        self._views = views

    def who(self, told: Told) -> WhoView:
        """Return who told something."""
        views, author = self._views, told.author
        who = views.participant_of(told.node, author)
        is_node = not isinstance(author, str)
        return WhoView(
            author=author if isinstance(author, str) else author.hex(),
            author_name=who.name if who else views.node_name(told.node),
            author_known_as=views.known_as(who) if who else views.node_known_as(told.node),
            author_kind="node" if is_node else who.kind if who else "unknown",
            node=told.node.hex(),
            node_name=views.node_name(told.node),
            node_known_as=views.node_known_as(told.node),
        )

    def packet(self, packet: Packet, score: int | None = None) -> PacketView:
        """Return a packet as it stands."""
        first, current = packet.told[0], packet.current
        content = content_of(current) if current is not None else None
        if current is None or content is None:
            reason = packet.retracted.body if packet.retracted is not None else None
            return PacketView(
                id=packet.id.hex(),
                domain=packet.domain,
                state="retracted" if packet.retracted is not None else "erased",
                who=self.who(first),
                at=first.at,
                revision=len(packet.told) - 1,
                reason=reason.reason if isinstance(reason, KnowledgeRetract) else "",
            )
        return PacketView(
            id=packet.id.hex(),
            domain=packet.domain,
            state="current",
            who=self.who(first),
            at=current.at,
            type=content.type,
            title=content.title,
            content=content.content,
            data=_data(content),
            confidence=content.confidence,
            tags=list(content.tags),
            dependencies=[event.hex() for event in content.dependencies],
            missing=[event.hex() for event in content.dependencies if self._is_missing(event)],
            revision=len(packet.told) - 1,
            event=current.id.hex(),
            source=self._source(current),
            score=score,
        )

    def _is_missing(self, event: bytes) -> bool:
        return not self._node.knowledge.is_shown(event)

    def _source(self, told: Told) -> SourceView | None:
        source = read_source(told.body.source) if isinstance(told.body, KnowledgeRepublish) else None
        if source is None or not isinstance(told.body, KnowledgeRepublish):
            return None
        act = source.event.act
        view = self._node.store.identities.epoch(source.event.epoch)
        return SourceView(
            event=source.id.hex(),
            domain=source.domain,
            author=act.author if isinstance(act.author, str) else act.author.hex(),
            node=view.node.hex() if view is not None else "",
            at=act.at,
            proved=self._proved(told.body.source, source),
        )

    def _proved(self, data: bytes, source: Source) -> Proved:
        """Return how far a source is proved: its signatures, and that the device which signed is its author's."""
        view = self._node.store.identities.epoch(source.event.epoch)
        found = prove(data, lambda _epoch: view.ed25519 if view is not None else None)
        act = source.event.act
        if found != "proved" or view is None or act.device is None or did_of(act.device) == act.author:
            return found
        who = self._views.participant_of(view.node, act.author)
        return "proved" if who is not None and act.device in who.devices else "unknown"

    def told(self, told: Told) -> ToldView:
        """Return one act about a packet."""
        content = content_of(told)
        reason = told.body.reason if isinstance(told.body, KnowledgeRetract) else ""
        return ToldView(
            event=told.id.hex(),
            kind=told.kind,
            at=told.at,
            hlc=list(told.hlc),
            who=self.who(told),
            says=content.title if content is not None else reason,
        )

    def task(self, task: Task) -> TaskView:
        """Return a task as it stands."""
        offer = task.offer.body
        ended = task.ended.body if task.ended is not None else None
        last = task.progress[-1].body if task.progress else None
        if not isinstance(offer, TaskOffer):
            raise TypeError("a task is folded from its offer")
        return TaskView(
            id=task.id.hex(),
            domain=task.domain,
            state=task.state,
            title=offer.title,
            content=offer.content,
            tags=list(offer.tags),
            dependencies=[event.hex() for event in offer.dependencies],
            lease=offer.lease,
            who=self.who(task.offer),
            at=task.offer.at,
            holder=self.who(task.holder) if task.holder is not None else None,
            until=task.until,
            done=last.done if isinstance(last, TaskProgress) else 0,
            note=last.note if isinstance(last, TaskProgress) else "",
            result=ended.result if isinstance(ended, TaskDone) else "",
            packets=[event.hex() for event in ended.packets] if isinstance(ended, TaskDone) else [],
        )


def _data(content: KnowledgePublish) -> DataView | None:
    if content.data is None:
        return None
    return DataView(media_type=content.data.media_type, data=to_base64url(content.data.data))
