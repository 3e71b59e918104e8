"""The two options of every command, and what they open."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias, get_args

from cyclopts import Parameter, Token, validators

from foedus.base.limits import HTTP_PAGE_MAX
from foedus.surfaces.cli.errors import NotRunning
from foedus.surfaces.cli.output import Output
from foedus.values.node import IdentityView, TierName

if TYPE_CHECKING:
    from foedus.node.home import Home
    from foedus.surfaces.cli.client import Client


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Common:
    """Options of every command."""

    json: Annotated[bool, Parameter(negative="", help="Print JSON for programs.")] = False
    home: Annotated[
        Path | None,
        Parameter(metavar="FOLDER", help="The node's folder. Default: FOEDUS_HOME, else ~/.foedus"),
    ] = None

    def output(self) -> Output:
        """Return where the command prints."""
        return Output(as_json=self.json)

    def folder(self) -> Home:
        """Return the home folder, whether or not a node is in it."""
        from foedus.node.home import Home

        return Home.default() if self.home is None else Home(self.home)

    def made_home(self) -> Home:
        """Return the home folder of a node that was made; raise NotFound."""
        home = self.folder()
        home.require()
        return home

    def client(self, passphrase_file: Path | None = None) -> Client:
        """Return a client of the running node: a participant's where its token is given, or no node is made here.

        Raises NotFound or NotRunning.
        """
        from foedus.surfaces.cli.client import Client
        from foedus.surfaces.cli.participant_client import chosen_client

        made_here = self.home is not None or self.folder().exists()
        return chosen_client(passphrase_file, made_here=made_here) or Client(self.made_home())

    def identity(self) -> IdentityView:
        """Return who this node is, whether it runs or not; raise NotFound."""
        try:
            return self.client().get("/identity", IdentityView)
        except NotRunning:
            from foedus.node import offline

            return offline.identity(self.made_home())


COMMON = Common()


def _tier(_hint: object, tokens: list[Token]) -> str:
    """Take a tier in any case."""
    tier = tokens[0].value.upper()
    if tier not in get_args(TierName):
        raise ValueError(f"a tier is one of {', '.join(get_args(TierName))}")
    return tier


Peer: TypeAlias = Annotated[
    str, Parameter(help="The peer's whole id, or its first digits (8 or more), or its name where no other has it.")
]
Room: TypeAlias = Annotated[
    str, Parameter(help="The room's id, or its first digits (8 or more), or its name where no other has it.")
]
Limit: TypeAlias = Annotated[
    int, Parameter(validator=validators.Number(gte=1, lte=HTTP_PAGE_MAX), show_default=True, help="How many at most.")
]
Tier: TypeAlias = Annotated[
    TierName, Parameter(converter=_tier, show_default=True, help="What this node gives to the peer.")
]
PolicyTier: TypeAlias = Annotated[
    TierName | None,
    Parameter(
        converter=_tier, help="What this node gives to the peer. Default: default_tier in foedus.toml, else CORE"
    ),
]
Recovery: TypeAlias = Annotated[
    bool,
    Parameter(negative="", help="Show 24 words, once, that revoke and replace a lost device when no other is left."),
]
Wait: TypeAlias = Annotated[
    int,
    Parameter(
        validator=validators.Number(gte=0, lte=86_400),
        help="Where an agent needs a person's yes: how many seconds to wait for it.",
    ),
]
Yes: TypeAlias = Annotated[bool, Parameter(name="--yes", alias="-y", negative="", help="Do not ask.")]
File: TypeAlias = Annotated[
    Path | None,
    Parameter(metavar="FILE", allow_leading_hyphen=True, help="Read it from a file ('-': standard input)."),
]
PassphraseFile: TypeAlias = Annotated[
    Path | None,
    Parameter(
        metavar="FILE",
        allow_leading_hyphen=True,
        help="Read the device passphrase from a file ('-': standard input). Default: FOEDUS_PASSPHRASE, else a prompt",
    ),
]
