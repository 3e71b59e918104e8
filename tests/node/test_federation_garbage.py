"""Any bytes at the HTTP doors, signed rightly or not: an answer below 500 with a code, and the node lives."""

import json
import random

from foedus.node.federation_values import PARCEL_TYPE
from foedus.sync.frames.codec import encode_frame
from foedus.sync.parcels import Parcel, encode_parcel
from tests.node.federated import EVENTS, RECORDS, ROOT, ask, send, signed_headers, two_connected
from tests.node.nodes import entries, share, until
from tests.node.questions import raw
from tests.node.test_federation_strangers import application

DOORS = [
    "events",
    "frames",
    "records",
    "register",
    "identity",
    "peers",
    "peers/x",
    "stream",
    "status",
    "",
    "%00",
    "events/../x",
]
MEDIA = [EVENTS, PARCEL_TYPE, RECORDS, "application/json", ""]
METHODS = ["GET", "POST", "DELETE", "PUT", "HEAD"]


def altered(chance, data):
    """Return ``data`` cut, grown or with some bytes changed."""
    data = bytearray(data)
    for _ in range(chance.randrange(1, 4)):
        place = chance.randrange(len(data) + 1)
        match chance.randrange(4):
            case 0:
                del data[place:]
            case 1:
                data[place:place] = chance.randbytes(chance.randrange(8))
            case 2:
                data[place : place + 1] = bytes([chance.randrange(256)])
            case _:
                data += data[:place]
    return bytes(data)


def is_refused_or_answered(method, status, headers, body):
    assert status < 500, body
    if status >= 400 and method != "HEAD":
        problem = json.loads(body)
        assert problem.keys() == {"code", "message", "remedy"}, body
        assert all(problem.values())
        assert "Traceback" not in body.decode()
    return headers


async def test_bodies_that_peers_sign(tmp_path):
    async with two_connected(tmp_path) as (_, alice, bob):
        await share(bob, alice)
        await alice.say("hello")
        await until(lambda: bob.texts() == ["hello"], "bob has it")
        held = [row.envelope.encode() for row in alice.node.log.since(0, 100)]
        history = alice.node.store.identities.history(alice.node.store.node)
        samples = {
            "events": (EVENTS, b"".join(len(data).to_bytes(4, "big") + data for data in held)),
            "records": (RECORDS, b"".join(len(it.encode()).to_bytes(4, "big") + it.encode() for it in history)),
            "frames": (PARCEL_TYPE, encode_parcel(Parcel(1, 1, (encode_frame(raw(alice)[1]),), None))),
            "register": ("application/json", json.dumps(application(alice, bob)).encode()),
        }
        chance = random.Random(7)
        before = entries(bob.node)
        for _ in range(60):
            for door, (media_type, sample) in samples.items():
                uri = f"{bob.url}{ROOT}/{door}"
                body = altered(chance, sample) if door == "register" or chance.random() < 0.8 else chance.randbytes(300)
                if door == "register" and json_or_none(body) == json.loads(sample):
                    continue
                headers = signed_headers(alice, bob, "POST", uri, body)
                status, answered, answer = await send("POST", uri, headers, body, media_type)
                is_refused_or_answered("POST", status, answered, answer)
        assert bob.texts() == ["hello"]
        assert entries(bob.node) == before
        assert bob.peer(alice).state == "connected"
        assert (await ask(alice, bob, "GET", "/status")).status == 200


def json_or_none(body):
    try:
        return json.loads(body)
    except ValueError:
        return None


async def test_requests_of_anyone(tmp_path):
    async with two_connected(tmp_path) as (_, alice, bob):
        chance = random.Random(8)
        for _ in range(300):
            method, door = chance.choice(METHODS), chance.choice(DOORS)
            query = chance.choice(["", "?since=%F0%9F%98%80", "?limit=1&limit=2", "?epoch=" + "z" * 64, "?%ff=1"])
            uri = f"{bob.url}{ROOT}/{door}{query}"
            body = chance.randbytes(chance.randrange(40)) if method in {"POST", "PUT"} else b""
            headers = signed_headers(alice, bob, method, uri, body) if chance.random() < 0.7 else {}
            for name in list(headers):
                if chance.random() < 0.15:
                    headers[name] = (
                        altered(chance, headers[name].encode())
                        .decode("latin-1")
                        .translate(dict.fromkeys((*range(32), *range(127, 256)), "?"))
                    )
            if method == "GET" and door == "stream":
                continue  # it would not end
            status, answered, answer = await send(method, uri, headers, body, chance.choice(MEDIA))
            is_refused_or_answered(method, status, answered, answer)
        assert (await ask(alice, bob, "GET", "/status")).status == 200
