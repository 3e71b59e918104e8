"""The part of the fake node that knows standing."""

from msgspec.structs import replace

from foedus.base.errors import NotFound
from foedus.values.standing import ExplainView, LayerView, StandingView
from tests.surfaces.http.fake_values import NODE

ADA = StandingView(
    did="did:key:zAda",
    name="ada",
    node=NODE,
    node_name="fake",
    is_local=True,
    standing=3,
    standing_name="elevated",
    rights=["take_part", "contribute"],
    proposed=None,
    since=1,
    breach="",
)


class FakeStanding:
    """Knows ada alone; what she does is allowed."""

    def standings(self):
        return [ADA]

    def standing(self, who):
        if who not in {ADA.did, ADA.name}:
            raise NotFound(f"no participant {who[:80]!r}")
        return replace(ADA, acts=100, missing=[])

    async def standing_propose(self, who, to=None):
        return replace(self.standing(who), proposed=to or 2)

    async def standing_confirm(self, who):
        return replace(self.standing(who), standing=2, standing_name="super")

    def explain(self, who, act, room=""):
        view = self.standing(who)
        layers = [LayerView(layer=name, verdict="allows", clause="", presets={}, words="") for name in LAYERS]
        return ExplainView(
            who=view.did,
            name=view.name,
            node=NODE,
            node_name="fake",
            is_local=True,
            act=act,
            room=room,
            event="",
            allowed=True,
            layer="",
            code="",
            layers=layers,
        )


LAYERS = ("agreement", "grant", "room")
