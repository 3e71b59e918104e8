"""The docs agree with the code: links lead somewhere, and tables, limits and diagrams are those of the code."""

from __future__ import annotations

import re
import sys
from functools import reduce
from urllib.parse import unquote

import pytest

from foedus.base import limits
from foedus.base.limits import SECOND
from foedus.crypto.ed25519 import PUBLIC_BYTES as ED25519_BYTES
from foedus.crypto.labels import LABELS
from foedus.crypto.mldsa import PUBLIC_BYTES as MLDSA_BYTES
from foedus.crypto.mldsa import SIGNATURE_BYTES
from foedus.crypto.xwing import CIPHERTEXT_BYTES
from foedus.crypto.xwing import PUBLIC_BYTES as XWING_BYTES
from foedus.identity.directory import HELD_RECORDS_MAX, IDLE_RECORDS_MAX
from foedus.identity.record import RECORDS_PER_NODE, SIGNED_RECORD_MAX
from foedus.log.bodies import PLACES, SHAPES
from foedus.log.streams import parse
from foedus.query import limits as query_limits
from foedus.query.inquiry import OUTCOMES
from foedus.query.merge import FUSION_K, FUSION_SCALE
from foedus.sync.credit import SEND_FLOOR
from foedus.sync.frames import codec, questions
from foedus.sync.frames.fields import Code
from foedus.sync.keepalive import GREETING_TIMEOUT
from foedus.sync.pace import ASKS_BURST, ASKS_PER_S, PEERING_BURST, PEERING_PER_S
from foedus.sync.positions import CHAINS_MAX
from foedus.sync.transitions import KEEPALIVE, PEERING, SYNC, VOICE, Voice
from foedus.trust.agreements.commands import BORDER_COMMANDS, COMMAND_MAX
from foedus.trust.agreements.document import (
    AGREEMENT_BYTES_MAX,
    COMMANDS_MAX,
    DIRECTIONS,
    RATE_MAX,
    RETENTION_DAYS_MAX,
    ROOMS_MAX,
    SIGNERS_MAX,
    VERSION_MAX,
)
from foedus.trust.agreements.ledger import DOCUMENT_BYTES_MAX
from foedus.trust.claims import ENDPOINT_MAX, ENDPOINTS_MAX
from tests.docs.pages import PAGES, ROOT, anchors, first_column, links, names, read, section

_PACKAGES = "adapters|base|crypto|identity|log|node|query|sdk|state|sync|surfaces|trust|tests"
_MISSING = re.compile(rf"`((?:{_PACKAGES})/[\w/]+\.py)`")


def protocol(heading: str) -> str:
    return section(read("docs/protocol.md"), heading)


def _id(path) -> str:
    return str(path.relative_to(ROOT))


# --- links and files -----------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_every_link_leads_somewhere(page):
    for target in links(page.read_text(encoding="utf-8")):
        if re.match(r"https?://", target):
            continue
        name, _, anchor = unquote(target).partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.is_relative_to(ROOT), target
        assert file.exists(), target
        assert not anchor or anchor in anchors(file.read_text(encoding="utf-8")), target


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_every_file_that_a_page_names_exists(page):
    for name in _MISSING.findall(page.read_text(encoding="utf-8")):
        assert (ROOT / name).exists() or (ROOT / "src" / "foedus" / name).exists(), name


def test_the_index_lists_every_decision():
    pages = {path.name for path in (ROOT / "docs" / "adr").glob("[0-9]*.md")}
    assert set(links(read("docs/adr/README.md"))) == pages
    numbers = sorted(int(name[:4]) for name in pages)
    assert numbers == list(range(len(numbers)))


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "adr").glob("[0-9]*.md")), ids=_id)
def test_every_decision_has_its_headings(page):
    text = page.read_text(encoding="utf-8")
    title = text.splitlines()[0]
    assert title.startswith(f"# {page.name[:4]}: ")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
    assert re.search(r"^Status: (proposed|accepted|replaced by .*)$", text, re.MULTILINE)


def test_the_page_of_the_house_names_every_package():
    named = set(re.findall(r"^\| `(\w+)/`", read("docs/architecture.md"), re.MULTILINE))
    packages = {path.parent.name for path in (ROOT / "src" / "foedus").glob("*/__init__.py")}
    filled = {name for name in packages if len(list((ROOT / "src" / "foedus" / name).rglob("*.py"))) > 1}
    assert named == filled


# --- the tables of the protocol ------------------------------------------------------------------


def test_the_kinds_are_those_of_the_code():
    cells = [names(cell)[0] for cell in first_column(protocol("3. Acts and events"), "kind")]
    assert cells == list(SHAPES)


ANY = "node, participant, members, room, pair, knowledge, sketch"


def test_each_kind_has_the_body_the_stream_and_the_writer_of_the_code():
    lines = protocol("3. Acts and events")
    for kind, shape in SHAPES.items():
        stream, writer, body = _cells(lines, kind)
        place = PLACES[kind]
        streams = {part.strip(" `:") for part in (ANY if stream == "any" else stream).split(",")}
        assert streams == place.streams, kind
        assert {"node": place.by_node, "device": place.by_device} == {
            "node": "node" in writer,
            "device": "device" in writer,
        }, kind
        fields = re.match(r"`\{(.*?)\}`", body)[1]
        assert _field_names(fields) == list(shape.__struct_fields__), kind


def _cells(text: str, kind: str) -> tuple[str, str, str]:
    row = re.search(rf"^\| `{re.escape(kind)}` \| (.*?) \| (.*?) \| (.*) \|$", text, re.MULTILINE)
    return row[1], row[2], row[3]


def _field_names(fields: str) -> list[str]:
    flat = re.sub(r"\[[^\[\]]*\]", "", re.sub(r"\[[^\[\]]*\]", "", fields))
    return [part.partition(":")[0].strip() for part in flat.split(",") if part.strip()]


def test_the_forms_of_streams_are_those_of_the_code():
    one, other, did = "0" * 64, "1" * 64, "did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX"
    shown = [names(cell)[0] for cell in first_column(protocol("3. Acts and events"), "stream")]
    named = {"<did>": did, "<room>": one, "<id>:<id>": f"{one}:{other}", "<domain>": "lab.results"}
    real = [reduce(lambda text, pair: text.replace(*pair), named.items(), text) for text in shown]
    assert [parse(name).kind for name in real] == ANY.split(", ")


def test_the_labels_are_those_of_the_code():
    labels = [label for cell in first_column(protocol("1. Bytes"), "`what`") for label in names(cell)]
    assert sorted(labels) == sorted(LABELS)


def _frame_rows() -> list[list[str]]:
    return [names(cell) for cell in first_column(protocol("5. Link"), "frame")]


def test_the_frames_are_those_of_the_code():
    shown = [re.match(r'\["(\w+)"', frame)[1] for row in _frame_rows() for frame in row]
    assert len(shown) == len(set(shown))
    assert set(shown) == codec.TYPES


def test_each_frame_has_the_parts_of_the_code():
    for frame in (frame for row in _frame_rows() for frame in row):
        name, rest = re.match(r'\["(\w+)"(.*)\]$', frame).groups()
        while "[" in rest:
            rest = re.sub(r"\[[^\[\]]*\]", "list", rest)
        maps = re.findall(r"\{(.*?)\}", rest)
        parts = [part for part in re.sub(r"\{.*?\}", "map", rest).split(",") if part.strip()]
        shape = codec._SHAPES[name]
        assert len(parts) == len(shape.__struct_fields__), frame
        for fields in maps:
            inner = next(iter(shape.__annotations__.values()))
            inner = getattr(sys.modules[shape.__module__], inner) if isinstance(inner, str) else inner
            assert _field_names(fields) == list(inner.__struct_fields__), frame


def test_who_may_send_what_is_told_as_the_table_has_it():
    silent = {name for voice, name in VOICE if voice is Voice.SILENT}
    pending = {name for voice, name in VOICE if voice is Voice.PENDING}
    ready = {name for voice, name in VOICE if voice is Voice.READY}
    assert silent == {"ready", "pending", "refused", *KEEPALIVE}
    assert pending == {"ready", "refused", "ended", *KEEPALIVE, *PEERING}
    assert ready == {"ended", "tier", *KEEPALIVE, *PEERING, *SYNC}
    assert {"records", "want_records"} <= set(PEERING)
    greetings = re.search(r"\*\*Greetings\.\*\*(.*)", protocol("5. Link"))[1]
    assert set(SYNC) <= set(names(greetings))


# --- numbers -------------------------------------------------------------------------------------


def _n(number: int) -> str:
    return f"{number:,}"


QUOTED = {
    "1. Bytes": [
        f"at most {limits.NESTING_MAX} levels deep",
        f"≤ {_n(limits.BATCH_EVENTS_MAX)} entries, ≤ {limits.BATCH_BYTES_MAX >> 20} MiB",
        f"those of ML-DSA-65 {_n(SIGNATURE_BYTES)}",
    ],
    "2. Identity records": [
        f"2 … {RECORDS_PER_NODE - 1} |",
        f"has at most {RECORDS_PER_NODE} (n ≤ {RECORDS_PER_NODE - 1})",
        f"a signed record at most {_n(SIGNED_RECORD_MAX)} bytes",
        f"a reader holds {IDLE_RECORDS_MAX}; beyond, up to {HELD_RECORDS_MAX},",
        f"{{ed25519: {ED25519_BYTES} bytes, mldsa65: {MLDSA_BYTES} bytes, xwing: {XWING_BYTES} bytes}}",
        "follows one new epoch" if limits.EPOCHS_PER_DAY == 1 else "?",
    ],
    "3. Acts and events": [
        f"≤ {limits.AUTH_MAX} ids",
        f"≤ {limits.REFS_MAX} ids",
        f"counter < {_n(limits.HLC_COUNTER_MAX)}",
        f"Event ≤ {_n(limits.EVENT_MAX)} bytes, body ≤ {_n(limits.BODY_MAX)} bytes",
        f"envelope ≤ {_n(limits.ENVELOPE_MAX)} bytes",
        f"at most {limits.STREAM_NAME_MAX} characters",
        f"A name has 1 to {limits.NAME_MAX} characters, a text at most {_n(limits.TEXT_MAX)}",
        f"at most {limits.CUTS_MAX} entries",
    ],
    "4. Admission": [
        f"over {limits.CLOCK_AHEAD_MAX // SECOND} s ahead",
        f"> {limits.ACT_DRIFT_MAX // limits.MINUTE} min",
    ],
    "5. Link": [
        f"≤ {limits.FRAME_MAX >> 10} KiB each",
        f"at most {limits.FRAME_MAX >> 10} KiB \N{MINUS SIGN} {limits.FRAME_MAX - codec.FRAME_PLAINTEXT_MAX} bytes",
        f"A handshake takes at most {limits.HANDSHAKE_TIMEOUT // SECOND} s",
        f"within {GREETING_TIMEOUT // SECOND} s of the handshake",
        f"ciphertext: {CIPHERTEXT_BYTES} bytes",
        f"The keys serve {limits.REHANDSHAKE_INTERVAL // limits.HOUR} hours",
        f"fewer than 2^{limits.FRAMES_PER_KEY_MAX.bit_length() - 1} frames",
        f"At most {_n(limits.CURSORS_PER_FRAME)} cursors, ids or epochs",
        f"at most {limits.RECORDS_MAX} records",
        f"at most {limits.NAME_MAX} characters, a `note` and a `reason` {_n(limits.NOTE_MAX)}",
        f"at most {ENDPOINTS_MAX} endpoints of {ENDPOINT_MAX}",
        f"({_n(limits.CREDIT_BYTES)} bytes)",
        f"at least {_n(SEND_FLOOR)} bytes",
        f"silent for {limits.KEEPALIVE_INTERVAL // SECOND} s",
        f"for {limits.KEEPALIVE_TIMEOUT // SECOND} s is gone",
        f"{PEERING_BURST} at once, then one a second" if PEERING_PER_S == 1 else "?",
        f"{_n(ASKS_BURST)} at once, then {_n(ASKS_PER_S)} a second",
        f"at most {_n(CHAINS_MAX)} chains",
    ],
    "6. Agreements": [
        f"at most {SIGNERS_MAX} of `{{did, assurance}}`",
        f"at most {_n(AGREEMENT_BYTES_MAX)} bytes",
        f"at most {ROOMS_MAX} room ids",
        f"at most {COMMANDS_MAX} of at most {COMMAND_MAX} characters",
        f"events a minute (1 to {_n(RATE_MAX)})",
        f"days (1 to {_n(RETENTION_DAYS_MAX)})",
        f"the base + 1; ≤ {_n(VERSION_MAX)}",
        f"first {DOCUMENT_BYTES_MAX >> 20} MiB ({_n(DOCUMENT_BYTES_MAX)} bytes)",
        " and ".join([", ".join(f"`{it}`" for it in BORDER_COMMANDS[:-1]), f"`{BORDER_COMMANDS[-1]}`"]),
        ", ".join(f"`{it}`" for it in DIRECTIONS),
    ],
    "13. Queries": [
        f"it has at most {_n(query_limits.QUERY_BYTES_MAX)}",
        f"of 1 to {_n(query_limits.TEXT_MAX)} characters",
        f"At most {_n(query_limits.ABOUT_BYTES_MAX)} bytes",
        f"`global` 1 to {query_limits.HOPS_MAX}: links",
        f"1 to {query_limits.RESULTS_MAX}: how many",
        f"at most {query_limits.LASTS_MAX // SECOND} s |",
        f"at most {_n(query_limits.BODY_BYTES_MAX)}. At most {_n(query_limits.RESULT_BYTES_MAX)} bytes",
        f"(≤ {query_limits.EVIDENCE_MAX}, ≤ {_n(query_limits.EVIDENCE_BYTES_MAX)} bytes)",
        f"1 to {_n(questions.QUERY_LASTS_MAX)}",
        f"at least {query_limits.WAY_BACK_MIN // 1000} and at most {query_limits.WAY_BACK_MAX // 1000} ms",
        f"not over {query_limits.SKEW_MAX // SECOND} s after its `deadline`",
        f"Entries ≤ {_n(questions.REPORTS_PER_FRAME)} in a frame; results ≤ {questions.RESULTS_PER_FRAME}",
        f"⌊10^12 / ({FUSION_K + 1} + rank)⌋" if FUSION_SCALE == 10**12 else "?",
    ],
    "7. Checkpoints": [f"each {_n(limits.CHECKPOINT_EVENTS)} events or hour of change"],
}


@pytest.mark.parametrize(("heading", "words"), [(heading, words) for heading, many in QUOTED.items() for words in many])
def test_the_numbers_are_those_of_the_code(heading, words):
    assert words in protocol(heading)


def test_codes_have_the_form_that_is_told():
    form = re.search(r"A code matches `(.*?)`", protocol("5. Link"))[1]
    assert form == Code.__metadata__[0].pattern.removeprefix(r"\A").removesuffix(r"\Z")


def test_the_outcomes_of_a_question_are_those_of_the_code():
    told = re.search(r"\*\*`answered`\*\* names how nodes did: (.*?)\. A node", protocol("13. Queries"))[1]
    assert set(names(told)) == OUTCOMES


def test_frames_of_questions_take_what_questions_have():
    assert questions.QUERY_BYTES_MAX == query_limits.QUERY_BYTES_MAX >= query_limits.RESULT_BYTES_MAX
    assert questions.EVIDENCE_MAX == query_limits.EVIDENCE_MAX
    assert questions.PATH_MAX == query_limits.HOPS_MAX + 1
    assert questions.QUERY_LASTS_MAX == query_limits.LASTS_MAX
    assert query_limits.REPORTS_MAX < questions.REPORTS_PER_FRAME
