"""The labelled questions are what docs/knowledge.md says: 200, each with a packet of its own."""

from bench.recall import labelled


def test_there_are_two_hundred_questions_each_with_a_packet_of_its_own():
    pairs = labelled()
    assert len(pairs) == 200
    assert len({pair.title for pair in pairs}) == 200
    assert len({asked for pair in pairs for asked in (pair.named, pair.question, pair.paraphrase)}) == 600
