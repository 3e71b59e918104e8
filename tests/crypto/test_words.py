import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.base.errors import UsageError
from foedus.crypto.errors import BadRecoveryWords
from foedus.crypto.words import from_words, to_words

BIP_39 = {  # the English vectors of 256 bits: seed, words
    "00" * 32: "abandon " * 23 + "art",
    "7f" * 32: "legal winner thank year wave sausage worth useful " * 2
    + "legal winner thank year wave sausage worth title",
    "80" * 32: "letter advice cage absurd amount doctor acoustic avoid " * 2
    + "letter advice cage absurd amount doctor acoustic bless",
    "ff" * 32: "zoo " * 23 + "vote",
}
seeds = st.binary(min_size=32, max_size=32)


@pytest.mark.parametrize("seed", BIP_39)
def test_bip_39(seed):
    assert to_words(bytes.fromhex(seed)) == BIP_39[seed].split()
    assert from_words(BIP_39[seed]).hex() == seed


@given(seeds)
def test_words_bring_the_seed_back(seed):
    words = to_words(seed)
    assert len(words) == 24
    assert from_words(" ".join(words)) == seed
    assert from_words("\n  " + " \t\n".join(words).upper() + "\n") == seed


def test_words_outside_the_list_are_named_with_their_places():
    words = to_words(bytes(32))
    words[2], words[23] = "abandom", "artt"
    with pytest.raises(BadRecoveryWords) as caught:
        from_words(" ".join(words))
    assert str(caught.value) == "not in the list of recovery words: word 3 (abandom), word 24 (artt)"
    assert caught.value.code == "bad_recovery_words"
    assert "spelling" in caught.value.remedy
    assert isinstance(caught.value, UsageError)


@pytest.mark.parametrize("count", [0, 1, 12, 23, 25, 48])
def test_another_number_of_words_is_refused(count):
    with pytest.raises(BadRecoveryWords, match=f"there are {count} words"):
        from_words("abandon " * count)


def test_a_wrong_checksum_is_told_apart():
    with pytest.raises(BadRecoveryWords, match="swapped or misread") as caught:
        from_words("abandon " * 24)
    assert "order" in caught.value.remedy


@given(seeds, st.integers(0, 23), st.integers(0, 23))
def test_swapped_words_are_caught_or_give_another_seed(seed, one, other):
    words = to_words(seed)
    words[one], words[other] = words[other], words[one]
    try:
        found = from_words(" ".join(words))
    except BadRecoveryWords:
        return
    assert (found == seed) == (words == to_words(seed))


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_seed_has_32_bytes(length):
    with pytest.raises(ValueError, match="32 bytes"):
        to_words(bytes(length))
