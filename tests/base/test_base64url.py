import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.base.base64url import NotBase64url, from_base64url, to_base64url


@given(st.binary(max_size=100))
def test_bytes_come_back_from_their_text(data):
    text = to_base64url(data)
    assert "=" not in text
    assert from_base64url(text) == data


@given(st.text(max_size=12) | st.text("AZaz09-_+/= \n", max_size=12))
def test_what_is_read_is_the_one_form_of_its_bytes(text):
    try:
        data = from_base64url(text)
    except NotBase64url:
        return
    assert base64.urlsafe_b64encode(data).decode().rstrip("=") == text


@pytest.mark.parametrize("text", ["AA==", "AB", "A", "+_8", "a/8A", "AA\n", "AA AA", "ÄA", "A²"])
def test_any_other_form_is_refused_by_the_name_of_its_place(text):
    with pytest.raises(NotBase64url, match=r"^the salt is not unpadded base64url"):
        from_base64url(text, "the salt")
