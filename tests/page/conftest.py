"""Two federated nodes, and a person with a browser at each: made once for a file, as a journey goes on."""

import pytest

from tests.page.browsing import Visitor, chromium, started
from tests.processes.nodes import node_processes


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    chromium()
    with node_processes(tmp_path_factory.mktemp("page"), "oak", "elm") as made:
        yield made


@pytest.fixture(scope="module")
def browser(nodes):  # noqa: ARG001  # the nodes outlive the browser
    with started() as made:
        yield made


@pytest.fixture(scope="module")
def ada(browser, nodes):
    visitor = Visitor(browser, nodes[0])
    yield visitor
    visitor.context.close()


@pytest.fixture(scope="module")
def bea(browser, nodes):
    visitor = Visitor(browser, nodes[1])
    yield visitor
    visitor.context.close()


@pytest.fixture(autouse=True)
def _nobody_complains(request):
    """Fail the test during which a browser complained."""
    yield
    for name in {"ada", "bea"} & set(request.fixturenames):
        visitor = request.getfixturevalue(name)
        complaints, visitor.complaints = visitor.complaints, []
        assert not complaints, "\n".join(complaints)
