import pytest

from tests.surfaces.http.running import serving, serving_in_thread


@pytest.fixture
async def served():
    async with serving() as running:
        yield running


@pytest.fixture(scope="module")
def live():
    with serving_in_thread() as running:
        yield running
