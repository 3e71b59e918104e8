"""The door for questions and calls of peers that no link reaches: an exchange of parcels."""

from __future__ import annotations

from foedus.base.errors import UsageError
from foedus.node.composition import Node
from foedus.node.federation_access import Asking
from foedus.node.federation_values import PARCEL_TYPE, BadBody, check_media_type, number
from foedus.node.lines import HOLD_MAX_S
from foedus.node.ports import FederationResponse
from foedus.sync.parcels import PARCEL_MAX, decode_parcel


class Overheard(UsageError):
    """Others could listen on the way: what is asked and answered is for the peer alone."""

    code = "needs_tls"
    http_status = 403
    remedy = "use https, or a way that ends on the node's own machine"


class FrameDoor:
    """Takes what a peer says, and gives what is said to it."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def post(self, asking: Asking) -> FederationResponse:
        """Take a parcel; answer with one, at once or, where the peer wants to wait, once there is something in it."""
        request = asking.request
        check_media_type(request, PARCEL_TYPE)
        if not request.secure:
            raise Overheard("questions and calls go over TLS, or to the node's own machine")
        if len(request.body) > PARCEL_MAX:
            raise BadBody(f"a parcel has at most {PARCEL_MAX} bytes", code="too_large", http_status=413)
        hold_s = number(request, "hold", 0, HOLD_MAX_S)
        line = await self._node.lines.receive(asking.peer, decode_parcel(request.body))
        if hold_s:
            await line.hold(request.stopping, hold_s)
        body = self._node.lines.answer(line)
        return FederationResponse(status=200, headers={"content-type": PARCEL_TYPE}, body=body)
