"""What a node's people decided beforehand: the options of HOME/foedus.toml, their defaults and what they mean.

Values only; the text is read by ``policy_text`` and the file by ``node/policy``. Each class is one section of the
file, each field one option, and its description a row of the table in docs/terms.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Literal, TypeAlias, get_args

from msgspec import Meta, Struct, structs, to_builtins

from foedus.base.limits import NAME_MAX, PEERS_MAX
from foedus.base.vectors import DIMENSION_MAX

RETENTION_DAYS_MAX = 36_500
"""A hundred years: more is a mistyped number, and nothing is kept for ever by accident of arithmetic."""
RISE_ACTS_MAX = 20_000
"""As many as are looked at: more would be a step that nobody can ever earn."""
URL_MAX = 2_048
"""Characters of an address or a path: more is a mistake."""
RATE_PATTERN = r"^[1-9][0-9]{0,8}/(second|minute|hour|day)$"
Rate: TypeAlias = Annotated[str, Meta(pattern=RATE_PATTERN)]
"""So many in that time, such as ``100/minute``."""
GivenTier: TypeAlias = Literal["CORE", "SANDBOX", "EXTERNAL"]
"""What a peer can be given: `CORE`, `SANDBOX` or `EXTERNAL`."""
Days: TypeAlias = Annotated[int, Meta(ge=0, le=RETENTION_DAYS_MAX)]
"""Days; 0: for ever."""


class Assurance(StrEnum):
    """How sure it is that a key is used by the person it stands for. Compare with ``meets``, not with ``<``."""

    OAUTH_VERIFIED = "oauth-verified"
    """Someone signed in at a provider of identities."""
    DEVICE_BOUND = "device-bound"
    """The key is on the person's own device."""
    HARDWARE_ATTESTED = "hardware-attested"
    """Hardware on that device holds the key, and says so."""


_RANKS = {assurance: rank for rank, assurance in enumerate(Assurance)}


def meets(assurance: Assurance | None, minimum: Assurance) -> bool:
    """Tell whether a signer of ``assurance`` counts where ``minimum`` is asked; None (custodial) never does."""
    return assurance is not None and _RANKS[assurance] >= _RANKS[minimum]


def assurance_of(custody: Literal["device", "node"]) -> Assurance | None:
    """Return what an enrolment alone proves: a key in the person's own device; of one kept by a node, nothing."""
    return Assurance.DEVICE_BOUND if custody == "device" else None


class TellsPeers(StrEnum):
    """Whom this node tells with whom it is connected, when they ask."""

    NOBODY = "nobody"
    CORE = "core"
    """Peers of tier CORE, and who asks through them: CORE is passed on."""
    CONNECTED = "connected"
    """Every connected peer, and who asks through them."""


class PeeringPolicy(Struct, frozen=True, kw_only=True):
    """``[federation.policy]``: with whom this node connects, and who counts as a human."""

    min_assurance: Annotated[
        Assurance,
        Meta(description="Below it no human counts: `oauth-verified`, `device-bound` or `hardware-attested`."),
    ] = Assurance.DEVICE_BOUND
    require_mutual: Annotated[
        bool,
        Meta(description="Our human confirms who accepted, unless the request named its id or it is trusted."),
    ] = True
    auto_accept_known: Annotated[
        bool,
        Meta(description="Who was connected, and was not ended here, comes back with its tier, unasked."),
    ] = False
    max_peers: Annotated[
        int, Meta(ge=0, le=PEERS_MAX, description="Connected peers at one time; 0: no limit but the program's own.")
    ] = 10
    default_tier: Annotated[
        GivenTier, Meta(description="What a peer is given where the person who accepts names no tier.")
    ] = "CORE"
    rise_days: Annotated[
        Days, Meta(description="Days since the last step, or breach, before a participant can rise a step in standing.")
    ] = 30
    rise_acts: Annotated[
        int, Meta(ge=0, le=RISE_ACTS_MAX, description="Accepted acts in rooms in that time, before it can.")
    ] = 100
    require_passkey: Annotated[
        bool,
        Meta(description="What a person grants or allows by their token needs their passkey, too (docs/page.md)."),
    ] = False
    tells_peers: Annotated[
        TellsPeers,
        Meta(description="Who is told with whom this node is connected, and asks: `nobody`, `core` or `connected`."),
    ] = TellsPeers.CORE


class Limits(Struct, frozen=True, kw_only=True):
    """``[federation.limits]``: how often, as `NUMBER/second`, `/minute`, `/hour` or `/day`."""

    api_per_token: Annotated[Rate, Meta(description="Requests to the local API with one token.")] = "5000/second"  # noqa: S105  # a rate
    api_per_address: Annotated[
        Rate, Meta(description="Requests to the local API from one address; this machine's own is exempt.")
    ] = "1000/second"
    federation_per_address: Annotated[
        Rate, Meta(description="Requests of other nodes over HTTP from one address; this machine's own is exempt.")
    ] = "100/second"
    federation_per_peer: Annotated[Rate, Meta(description="Requests over HTTP of one connected peer.")] = "200/second"
    requests_per_address: Annotated[
        Rate, Meta(description="Connection requests from one address; this machine's own is exempt.")
    ] = "20/minute"
    events_per_peer: Annotated[
        Rate,
        Meta(description="Events on the link of one peer; beyond, its credit returns later and it slows."),
    ] = "20000/second"
    queries_per_peer: Annotated[
        Rate, Meta(description="Questions that one peer brings, its own and those that it passes on.")
    ] = "500/second"
    queries_per_participant: Annotated[
        Rate, Meta(description="Questions of one participant, here or at any node, or of a node itself.")
    ] = "200/second"
    speech_per_participant: Annotated[Rate, Meta(description="Messages that one participant of this node says.")] = (
        "60000/minute"
    )


class Retention(Struct, frozen=True, kw_only=True):
    """``[federation.retention]``: after how many days events are erased, by kind of stream; 0: never.

    Other kinds than these cannot be erased (identity, membership, agreements).
    """

    room: Annotated[Days, Meta(description="Messages in rooms.")] = 0
    knowledge: Annotated[Days, Meta(description="What packets and tasks say; the events stay.")] = 0


class EmbedderKind(StrEnum):
    """What makes vectors of packets and questions, so that they are found by what they mean."""

    NONE = "none"
    HTTP = "http"
    """An endpoint as OpenAI's."""
    LOCAL = "local"
    """A model on this machine, which comes with the extra ``local-embedding``."""


class KnowledgePolicy(Struct, frozen=True, kw_only=True):
    """``[knowledge]``: how packets are found, beside their words."""

    embedder: Annotated[
        EmbedderKind, Meta(description="What finds packets by meaning, beside their words: `none`, `http` or `local`.")
    ] = EmbedderKind.NONE
    url: Annotated[
        str, Meta(max_length=URL_MAX, description="Of `http`: the endpoint, such as `https://host/v1/embeddings`.")
    ] = ""
    model: Annotated[str, Meta(max_length=NAME_MAX, description="Of `http`: the model that is asked for.")] = ""
    key_file: Annotated[
        str, Meta(max_length=URL_MAX, description="Of `http`: the file, 0600, with the key; in the home folder.")
    ] = ""
    dimension: Annotated[
        int, Meta(ge=0, le=DIMENSION_MAX, description="Numbers of a vector; 0: as many as the first has.")
    ] = 0
    least_similarity: Annotated[
        int, Meta(ge=0, le=100, description="Percent of cosine below which a packet is not found by meaning alone.")
    ] = 25


class WebhookReach(StrEnum):
    """How far a webhook may send that an agent registered by its own token."""

    NOWHERE = "nowhere"
    LOOPBACK = "loopback"
    PRIVATE = "private"
    """Private networks, too."""
    ANYWHERE = "anywhere"


class WebhookPolicy(Struct, frozen=True, kw_only=True):
    """``[webhooks]``: where calls are sent."""

    agents: Annotated[
        WebhookReach,
        Meta(
            description="Where an agent's own token may send its calls: `nowhere`, `loopback`, `private` (networks) or "
            "`anywhere`. The operator may register any address."
        ),
    ] = WebhookReach.LOOPBACK


class DiscoveryPolicy(Struct, frozen=True, kw_only=True):
    """``[discovery]``: nodes on the network, found by multicast DNS."""

    announce: Annotated[
        bool, Meta(description="The network is told that this node is there: its name, id and address.")
    ] = False
    interface: Annotated[
        str,
        Meta(
            max_length=NAME_MAX,
            description="IP address of the network interface on which nodes are looked for and told; empty: the one "
            "that this node listens at.",
        ),
    ] = ""


class Policy(Struct, frozen=True, kw_only=True):
    """The whole file. What it does not say is the default."""

    policy: PeeringPolicy = PeeringPolicy()
    limits: Limits = Limits()
    retention: Retention = Retention()
    knowledge: KnowledgePolicy = KnowledgePolicy()
    webhooks: WebhookPolicy = WebhookPolicy()
    discovery: DiscoveryPolicy = DiscoveryPolicy()


DEFAULT = Policy()
TOP_SECTIONS = frozenset({"knowledge", "webhooks", "discovery"})
"""Sections that are not about the federation, and do not stand below it."""
ALIASES: Mapping[str, str] = {"min_auth_tier": "min_assurance"}
"""Other names of options in ``[federation.policy]``."""


class Option(Struct, frozen=True):
    """One option, for those who show them all. ``default`` is as it would stand in the file."""

    section: str
    name: str
    default: str | int | bool
    about: str

    @property
    def heading(self) -> str:
        """The section as it stands in the file."""
        return self.section if self.section in TOP_SECTIONS else f"federation.{self.section}"


def options() -> Iterator[Option]:
    """Yield every option in the order of the file."""
    for section in structs.fields(Policy):
        for field in structs.fields(section.type):
            about = next(
                note.description for note in get_args(field.type) if isinstance(note, Meta) and note.description
            )
            yield Option(section.name, field.name, to_builtins(field.default), about)
