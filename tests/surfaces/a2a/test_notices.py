"""Push notices reach an address on this machine, also after a restart, and no other address."""

import pytest
from a2a.client.errors import A2AClientError
from a2a.types import (
    DeleteTaskPushNotificationConfigRequest,
    GetTaskPushNotificationConfigRequest,
    ListTaskPushNotificationConfigsRequest,
    TaskPushNotificationConfig,
)
from a2a.utils.errors import A2AError
from aiohttp import web

from foedus.surfaces.a2a.notices import PUSH_MAX
from tests.node.nodes import until
from tests.surfaces.a2a.clients import client_of, message, sent
from tests.surfaces.a2a.test_tasks import alone, looking_often, work

__all__ = ["looking_often"]


class Receiver:
    """Takes notices, after it refused the first ``failing``."""

    def __init__(self, failing=0):
        self.failing = failing
        self.heard = []
        self.url = ""

    async def __aenter__(self):
        application = web.Application()
        application.router.add_post("/hook", self._hear)
        self.runner = web.AppRunner(application)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self.runner.addresses[0][1]}/hook"
        return self

    async def __aexit__(self, *_):
        await self.runner.cleanup()

    async def _hear(self, request):
        if self.failing:
            self.failing -= 1
            return web.Response(status=503)
        state = (await request.json())["task"]["status"]["state"]
        self.heard.append((state, request.headers.get("X-A2A-Notification-Token")))
        return web.Response()


async def test_an_address_is_told_how_a_task_ends(tmp_path):
    async with (
        alone(tmp_path) as (oak, token, clerk),
        Receiver(failing=1) as receiver,
        client_of(oak, token, clerk, streaming=False) as client,
    ):
        request = message("Hallo")
        request.configuration.return_immediately = True
        request.configuration.task_push_notification_config.url = receiver.url
        request.configuration.task_push_notification_config.token = "secret"
        task = (await sent(client, request)).task
        listed = await client.list_task_push_notification_configs(
            ListTaskPushNotificationConfigsRequest(task_id=task.id)
        )
        assert [it.url for it in listed.configs] == [receiver.url]
        await work(oak, clerk)
        await until(lambda: ("TASK_STATE_COMPLETED", "secret") in receiver.heard, "it is told")
        assert receiver.heard.count(("TASK_STATE_COMPLETED", "secret")) == 1


async def test_a_config_is_kept_shown_and_removed(tmp_path):
    async with (
        alone(tmp_path) as (oak, token, clerk),
        Receiver() as receiver,
        client_of(oak, token, clerk, streaming=False) as client,
    ):
        request = message("Hallo")
        request.configuration.return_immediately = True
        task = (await sent(client, request)).task
        kept = await client.create_task_push_notification_config(
            TaskPushNotificationConfig(task_id=task.id, url=receiver.url)
        )
        named = GetTaskPushNotificationConfigRequest(task_id=task.id, id=kept.id)
        assert (await client.get_task_push_notification_config(named)).url == receiver.url
        removed = DeleteTaskPushNotificationConfigRequest(task_id=task.id, id=kept.id)
        await client.delete_task_push_notification_config(removed)
        with pytest.raises((A2AError, A2AClientError)):
            await client.get_task_push_notification_config(named)
        for url in ("https://93.184.216.34/hook", "http://169.254.169.254/", "file:///etc/passwd", "http://[::"):
            with pytest.raises((A2AError, A2AClientError)):
                await client.create_task_push_notification_config(TaskPushNotificationConfig(task_id=task.id, url=url))


async def test_a_message_sent_again_with_other_addresses_brings_no_more_of_them(tmp_path):
    async with alone(tmp_path) as (oak, token, clerk), client_of(oak, token, clerk, streaming=False) as client:
        for number in range(PUSH_MAX + 1):
            request = message("Hallo", id_="the same")
            request.configuration.return_immediately = True
            request.configuration.task_push_notification_config.url = f"http://127.0.0.1:9/{number}"
            if number < PUSH_MAX:
                await sent(client, request)
                continue
            with pytest.raises((A2AError, A2AClientError), match="too_many_addresses"):
                await sent(client, request)
