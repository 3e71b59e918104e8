"""What A2A's methods do: each message becomes an errand of the participant who sends it."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, Any

from a2a.server.context import ServerCallContext
from a2a.server.request_handlers.request_handler import RequestHandler, validate_request_params
from a2a.types import (
    AgentCard,
    CancelTaskRequest,
    DeleteTaskPushNotificationConfigRequest,
    GetExtendedAgentCardRequest,
    GetTaskPushNotificationConfigRequest,
    GetTaskRequest,
    ListTaskPushNotificationConfigsRequest,
    ListTaskPushNotificationConfigsResponse,
    ListTasksRequest,
    ListTasksResponse,
    SendMessageRequest,
    StreamResponse,
    SubscribeToTaskRequest,
    Task,
    TaskPushNotificationConfig,
    TaskState,
)
from a2a.utils.errors import (
    InternalError,
    InvalidParamsError,
    TaskNotCancelableError,
    TaskNotFoundError,
    UnsupportedOperationError,
)

from foedus.base.errors import FoedusError, NotFound, Unavailable
from foedus.node.errand_values import ErrandForm, ErrandNews, ErrandView
from foedus.surfaces.a2a import cards
from foedus.surfaces.a2a.directory import Agent, Directory, Target
from foedus.surfaces.a2a.mapping import TERMINAL, input_of, state_of, task_of, updates_of
from foedus.surfaces.a2a.notices import Notices
from foedus.surfaces.a2a.proto import made, plain
from foedus.values.calls import CapabilityView

if TYPE_CHECKING:
    from foedus.node.api import NodeService

KEPT_MS = 86_400_000
"""A task waits a day for who is away, as an approval does for a person."""
BLOCKING_S = 50.0
"""A request that waits for the end gets the task as it is after so long: clients and proxies give up at a minute."""
CANCEL_S = 5.0
"""For the other node to say how a task that it has ended."""
_PAGE = 50
_TOKEN_DIGITS = 6
"""A token that this node gave is the place of a task among those kept."""


class Handler(RequestHandler):
    """One per server. A request's context holds ``did``, whose it is, and ``target``."""

    def __init__(self, node: NodeService, directory: Directory, notices: Notices, signer: cards.Signer) -> None:
        self._node = node
        self._directory = directory
        self._notices = notices
        self._signer = signer

    # --- messages -----------------------------------------------------------------------------

    @validate_request_params
    async def on_message_send(self, params: SendMessageRequest, context: ServerCallContext) -> Task:
        """Send, and return the task: when it is over, waits for a person or for a node that is away, or at once."""
        view = await self._begin(params, context)
        if not params.configuration.return_immediately:
            view = await self._settled(view)
        return _task(view, params.configuration.history_length if params.HasField("configuration") else None)

    @validate_request_params
    async def on_message_send_stream(
        self, params: SendMessageRequest, context: ServerCallContext
    ) -> AsyncGenerator[Any]:
        """Send, and yield the task and what is new of it, until it is over."""
        view = await self._begin(params, context)
        async for event in self._events(view):
            yield event

    @validate_request_params
    async def on_subscribe_to_task(
        self, params: SubscribeToTaskRequest, context: ServerCallContext
    ) -> AsyncGenerator[Any]:
        """Yield a task and what is new of it, until it is over."""
        view = self._own(params.id, context)
        if state_of(view) in TERMINAL:
            raise UnsupportedOperationError(message="the task is over: get it")
        async for event in self._events(view):
            yield event

    async def _begin(self, params: SendMessageRequest, context: ServerCallContext) -> ErrandView:
        message = plain(params.message)
        if params.message.task_id:
            self._own(params.message.task_id, context)
            raise UnsupportedOperationError(message="a task takes one message: send another without a task id")
        push = params.configuration.task_push_notification_config
        wanted = [plain(push)] if push.url else []
        for one in wanted:
            self._check_address(one["url"])
        with _told():
            offer = await self._offer(params, context.state["target"])
            form = ErrandForm(
                did=context.state["did"],
                key=params.message.message_id,
                context=params.message.context_id or secrets.token_hex(16),
                node=offer.node,
                name=offer.name,
                offer=offer.offer,
                input=input_of(message.get("parts", []), offer.takes),
                note=json.dumps({"message": message, "push": []}).encode(),
                wait_ms=KEPT_MS,
            )
            view = await self._node.errand_begin(form)
            for one in wanted:
                await self._notices.add(view, one)
        return self._own(view.errand, context)

    async def _offer(self, params: SendMessageRequest, target: Target) -> CapabilityView:
        """Return the capability that a message is for: the named one, or the only one of the agent."""
        named = params.metadata.get("skill") if "skill" in params.metadata else None
        if named is None and "skill" in params.message.metadata:
            named = params.message.metadata["skill"]
        skill, _, node = str(named or "").partition("@")
        agents: list[Agent]
        if target.agent:
            agents = [await self._directory.find(target.node, target.agent)]
        else:
            agents = [it for it in self._directory.agents() if not node or it.node == node]
            if skill and not any(skill in it.offers for it in agents):
                agents = [it for it in await self._directory.look() if not node or it.node == node]
        found = [offer for agent in agents for name, offer in agent.offers.items() if not skill or name == skill]
        if len(found) != 1:
            names = sorted(f"{it.name}@{it.node}" for it in found)
            told = f"{len(names)} skills are meant" if names else "there is no such skill"
            raise NotFound(
                f"{told}: {', '.join(names)[:1_000]}", code="unknown_skill", remedy="name one in metadata.skill"
            )
        return found[0]

    async def _settled(self, view: ErrandView) -> ErrandView:
        """Return an errand when somebody else has to do something, or nobody has; as it is after a while."""
        if _is_settled(view):
            return view
        try:
            async with asyncio.timeout(BLOCKING_S), aclosing(self._news(view)) as coming:
                async for news in coming:
                    if _is_settled(news.errand):
                        return news.errand
        except TimeoutError:
            pass
        return self._node.errand(view.errand, view.did)

    async def _events(self, view: ErrandView) -> AsyncGenerator[Any]:
        async with aclosing(self._news(view)) as coming:
            yield _task(view, None)
            if view.state == "over":
                return
            async for news in coming:
                for update in updates_of(news):
                    response = made(update, StreamResponse)
                    yield getattr(response, response.WhichOneof("payload"))

    def _news(self, view: ErrandView) -> AsyncGenerator[ErrandNews, None]:
        return self._node.errand_follow(view.errand, view.did)

    # --- tasks --------------------------------------------------------------------------------

    @validate_request_params
    async def on_get_task(self, params: GetTaskRequest, context: ServerCallContext) -> Task:
        """Return a task of the caller's."""
        history = params.history_length if params.HasField("history_length") else None
        return _task(self._own(params.id, context), history)

    async def on_list_tasks(self, params: ListTasksRequest, context: ServerCallContext) -> ListTasksResponse:
        """Return the caller's tasks, the newest first."""
        wanted = TaskState.Name(params.status) if params.status else ""
        views = [
            it
            for it in self._node.errands(context.state["did"])
            if params.context_id in {"", it.context} and wanted in {"", state_of(it)}
        ]
        token = params.page_token
        start = int(token) if token.isdecimal() and len(token) <= _TOKEN_DIGITS else 0
        size = max(1, min(params.page_size or _PAGE, 2 * _PAGE))
        history = params.history_length if params.HasField("history_length") else None
        page = views[start : start + size]
        following = str(start + size) if start + size < len(views) else ""
        return ListTasksResponse(
            tasks=[_task(it, history) for it in page],
            next_page_token=following,
            page_size=size,
            total_size=len(views),
        )

    @validate_request_params
    async def on_cancel_task(self, params: CancelTaskRequest, context: ServerCallContext) -> Task:
        """Ask for a task to end, and return it as it is then."""
        view = self._own(params.id, context)
        if view.state == "over":
            raise TaskNotCancelableError
        with _told():
            await self._node.errand_cancel(view.errand, view.did)
        try:
            async with asyncio.timeout(CANCEL_S), aclosing(self._news(view)) as coming:
                async for _ in coming:
                    pass
        except TimeoutError:
            pass
        return _task(self._own(params.id, context), None)

    def _own(self, task: str, context: ServerCallContext) -> ErrandView:
        try:
            return self._node.errand(task, context.state["did"])
        except NotFound:
            raise TaskNotFoundError from None

    # --- notices ------------------------------------------------------------------------------

    @validate_request_params
    async def on_create_task_push_notification_config(
        self, params: TaskPushNotificationConfig, context: ServerCallContext
    ) -> TaskPushNotificationConfig:
        """Tell an address of a task from now on."""
        view = self._own(params.task_id, context)
        self._check_address(params.url)
        with _told():
            kept = await self._notices.add(view, plain(params))
        return made(kept, TaskPushNotificationConfig)

    @validate_request_params
    async def on_get_task_push_notification_config(
        self, params: GetTaskPushNotificationConfigRequest, context: ServerCallContext
    ) -> TaskPushNotificationConfig:
        """Return one of them."""
        for one in self._notices.of(self._own(params.task_id, context)):
            if one["id"] == params.id:
                return made(one, TaskPushNotificationConfig)
        raise TaskNotFoundError

    @validate_request_params
    async def on_list_task_push_notification_configs(
        self, params: ListTaskPushNotificationConfigsRequest, context: ServerCallContext
    ) -> ListTaskPushNotificationConfigsResponse:
        """Return those of a task."""
        held = self._notices.of(self._own(params.task_id, context))
        return ListTaskPushNotificationConfigsResponse(configs=[made(one, TaskPushNotificationConfig) for one in held])

    @validate_request_params
    async def on_delete_task_push_notification_config(
        self, params: DeleteTaskPushNotificationConfigRequest, context: ServerCallContext
    ) -> None:
        """Tell an address no more."""
        with _told():
            await self._notices.remove(self._own(params.task_id, context), params.id)

    def _check_address(self, url: str) -> None:
        with _told():
            self._node.notice_check(url)

    # --- cards --------------------------------------------------------------------------------

    async def on_get_extended_agent_card(
        self,
        params: GetExtendedAgentCardRequest,  # noqa: ARG002  # of the interface
        context: ServerCallContext,
    ) -> AgentCard:
        """Return the node's card with all skills, or an agent's."""
        target: Target = context.state["target"]
        if target.agent:
            return cards.agent_card(self._signer, target.url, await self._directory.find(target.node, target.agent))
        return cards.node_card(self._signer, target.url, await self._directory.look())


def _is_settled(view: ErrandView) -> bool:
    return view.state == "over" or (view.state == "waiting" and bool(view.why))


def _task(view: ErrandView, history: int | None) -> Task:
    return made(task_of(view, history=history), Task)


@contextmanager
def _told() -> Iterator[None]:
    """Say what the node says in the words of A2A: the sender's fault, or the world's."""
    try:
        yield
    except Unavailable as error:
        raise InternalError(message=_words(error)) from None
    except FoedusError as error:
        raise InvalidParamsError(message=_words(error)) from None


def _words(error: FoedusError) -> str:
    return f"{error.code}: {error}. {error.remedy}"
