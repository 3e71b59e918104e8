"""How the node serves the page: its own files alone, under a policy that lets nothing else in."""

import gzip
import re

import pytest

from foedus.surfaces.web import page
from tests.surfaces.http.running import serving


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>foedus</title>" + " " * 500)
    (tmp_path / "assets" / "main-abc.js").write_text("1")
    (tmp_path / "secret.txt").write_text("no")
    monkeypatch.setattr(page.Page.__init__, "__defaults__", (tmp_path,))
    return tmp_path


@pytest.fixture
async def served(folder):  # noqa: ARG001  # what is served
    async with serving() as running:
        yield running


async def test_the_page_is_served_without_a_token_and_asked_for_again(served):
    async with served.client.get("/", headers={"Authorization": "", "Accept-Encoding": "gzip"}) as answer:
        assert answer.status == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.headers["content-encoding"] == "gzip"
        assert "foedus" in await answer.text()
        tag = answer.headers["etag"]
    async with served.client.get("/", headers={"If-None-Match": tag}) as answer:
        assert (answer.status, await answer.read()) == (304, b"")
    async with served.client.head("/", headers={"Accept-Encoding": "identity"}) as answer:
        assert (answer.status, answer.headers.get("content-encoding")) == (200, None)
        assert int(answer.headers["content-length"]) > 500


async def test_what_has_its_hash_in_its_name_is_kept_for_good(served):
    async with served.client.get("/assets/main-abc.js") as answer:
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"


async def test_the_policy_lets_in_own_files_alone(served):
    async with served.client.get("/") as answer:
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert {"script-src", "style-src", "connect-src"} <= policy.keys()
    assert all("unsafe" not in value and "http" not in value and "*" not in value for value in policy.values())
    assert policy["frame-ancestors"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/secret.txt", "/assets/", "/../page.py", "/assets/%2e%2e/secret.txt", "/index.html/x"]
)
async def test_nothing_else_is_served(served, path):
    async with served.client.get(path) as answer:
        assert answer.status == 404


async def test_the_page_takes_nothing(served):
    async with served.client.post("/", data=b"x") as answer:
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


async def test_another_site_does_not_get_at_it(served):
    async with served.client.get("/", headers={"Origin": "https://evil.example"}) as answer:
        assert answer.status == 403
    async with served.client.get("/", headers={"Host": "evil.example"}) as answer:
        assert answer.status == 403


async def test_where_it_is_not_built_the_node_says_so(served, folder, tmp_path_factory, monkeypatch):  # noqa: ARG001
    monkeypatch.setattr(page.Page.__init__, "__defaults__", (tmp_path_factory.mktemp("nothing"),))
    async with serving() as running, running.client.get("/") as answer:
        assert answer.status == 404
        assert (await answer.json())["code"] == "page_not_built"


def test_what_is_built_is_small_and_has_nothing_inline():
    """The first load is at most 300 KB compressed; an inline script or style would be refused by the policy."""
    index = page.FILES / "index.html"
    if not index.is_file():
        pytest.skip("the page is not built: make page")
    html = index.read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\son\w+=", html)
    asked = re.findall(r'(?:src|href)="(/[^"]+)"', html)
    size = sum(len(gzip.compress((page.FILES / path[1:]).read_bytes())) for path in asked)
    assert size + len(gzip.compress(html.encode())) < 300_000
