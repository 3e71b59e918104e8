"""What a program writes against: a node's API, typed, awaited or plain (docs/sdk.md)."""

from foedus.sdk.asking import Question
from foedus.sdk.calling import Calling
from foedus.sdk.changes import Change
from foedus.sdk.client import Client, PlainClient
from foedus.sdk.committing import CommitProof, CouncilUpdate
from foedus.sdk.device import Device
from foedus.sdk.errors import BadAnswer, NoAnswer, NoDevice, StreamLost
from foedus.sdk.federation import (
    FederatedMesh,
    FederatedResult,
    FederationScope,
    FederationToken,
    PeerAddress,
    WrongKey,
)
from foedus.sdk.forms import Claim, Done, Offer, Progress, Publish, Republish, Retract, Revise
from foedus.sdk.granting import Scope
from foedus.sdk.receiving import NotFromNode, ReceivedCalls, WebhookCall, verify_webhook
from foedus.values.crdts import TransferAsk

__all__ = [
    "BadAnswer",
    "Calling",
    "Change",
    "Claim",
    "Client",
    "CommitProof",
    "CouncilUpdate",
    "Device",
    "Done",
    "FederatedMesh",
    "FederatedResult",
    "FederationScope",
    "FederationToken",
    "NoAnswer",
    "NoDevice",
    "NotFromNode",
    "Offer",
    "PeerAddress",
    "PlainClient",
    "Progress",
    "Publish",
    "Question",
    "ReceivedCalls",
    "Republish",
    "Retract",
    "Revise",
    "Scope",
    "StreamLost",
    "TransferAsk",
    "WebhookCall",
    "WrongKey",
    "verify_webhook",
]
