"""The counters of a node in Prometheus' text format, read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from foedus.node.composition import Node


def render(node: Node) -> bytes:
    """Return all counters. Labels are reason codes and ids of nodes and councils, never text that a peer chose."""
    lines = [line for family in _families(node) for line in family]
    return ("\n".join(lines) + "\n").encode()


def _families(node: Node) -> Iterator[list[str]]:
    chains = list(node.store.admission.chains)
    yield _gauge("foedus_events", "Events held.", sum(chain.seq for chain in chains))
    yield _gauge("foedus_chains", "Chains held.", len(chains))
    yield _gauge("foedus_contested_chains", "Chains with a fork.", sum(1 for chain in chains if chain.is_contested))
    yield _gauge("foedus_last_local", "Highest local number.", node.log.last_local)
    yield _gauge("foedus_pending_requests", "Connection requests that wait.", len(node.peers.book.pending()))
    yield _gauge("foedus_authoring", "1 while the node writes.", int(not node.author.stopped))
    yield _gauge(
        "foedus_checkpoint_age_seconds", "Longest wait for a checkpoint.", node.checkpointer.age_us() // 1_000_000
    )
    yield _counter("foedus_signature_checks_total", "Ed25519 checks of foreign events.", node.ingest.checked)
    yield [
        *_head("foedus_refused_total", "Events not admitted, rejected, put off or withheld.", "counter"),
        *(f'foedus_refused_total{{reason="{code}"}} {count}' for code, count in sorted(node.ingest.refusals.items())),
    ]
    yield [
        *_head("foedus_access_total", "Pairing codes tried, and participants' requests refused.", "counter"),
        *(f'foedus_access_total{{outcome="{code}"}} {count}' for code, count in sorted(node.access.counts.items())),
    ]
    yield [
        *_head("foedus_rate_limited_total", "Requests beyond a limit of the policy, by its name.", "counter"),
        *(f'foedus_rate_limited_total{{limit="{kind}"}} {count}' for kind, count in sorted(node.rates.refused.items())),
    ]
    yield _gauge("foedus_queries_under_way", "Questions that have not ended.", node.queries.under_way)
    refused = sorted(node.queries.refused.items())
    yield [
        *_head("foedus_queries_refused_total", "Questions of others that were not answered.", "counter"),
        *(f'foedus_queries_refused_total{{reason="{code}"}} {count}' for code, count in refused),
    ]
    yield from _calls(node)
    routing = node.queries.routing
    yield _gauge("foedus_sketches_known", "Nodes of which sketches are held.", len(routing.known))
    yield _by("foedus_sketches_refused_total", "Sketches of others that were not taken.", "reason", routing.refused)
    yield _by("foedus_questions_routed_total", "Questions by meaning that went on, and why so.", "why", routing.chosen)
    held = node.embedding.held()
    yield _gauge("foedus_knowledge_vectors", "Packets that are found by what they mean.", held.vectors)
    yield _gauge("foedus_knowledge_awaiting", "Packets that no embedder made a vector of.", held.awaiting)
    failures = sorted(node.embedding.failures.items())
    yield [
        *_head("foedus_embedding_failures_total", "Answers of the embedder that gave no vector.", "counter"),
        *(f'foedus_embedding_failures_total{{reason="{code}"}} {count}' for code, count in failures),
    ]
    yield _gauge("foedus_blobs_bytes", "What blobs that events name here count for, in bytes.", node.blobs.size)
    yield _gauge("foedus_blobs_waiting", "Blobs that are not whole here yet.", node.blob_carrying.waiting)
    yield _gauge("foedus_blobs_left_out", "Blobs of others that found no room.", node.blobs.left_out)
    yield from _councils(node)
    links = node.links.all()
    yield _per_peer(
        "foedus_link_lag", "Events not acknowledged by a peer.", {link.node: link.session.lag for link in links}
    )
    yield _per_peer("foedus_link_sent", "Events sent on this link.", {link.node: link.sent for link in links})
    yield _per_peer(
        "foedus_link_received", "Events received on this link.", {link.node: link.received for link in links}
    )


def _calls(node: Node) -> Iterator[list[str]]:
    calls = node.calls
    sides = {"made": (calls.under_way, calls.outcomes), "hosted": (calls.life.under_way, calls.life.outcomes)}
    yield [
        *_head("foedus_calls_under_way", "Calls that have not ended.", "gauge"),
        *(f'foedus_calls_under_way{{side="{side}"}} {count}' for side, (count, _) in sides.items()),
    ]
    yield [
        *_head("foedus_calls_ended_total", "Calls that ended.", "counter"),
        *(
            f'foedus_calls_ended_total{{side="{side}",outcome="{outcome}"}} {count}'
            for side, (_, outcomes) in sides.items()
            for outcome, count in sorted(outcomes.items())
        ),
    ]
    yield _by("foedus_calls_refused_total", "Calls of others that were not taken up.", "reason", calls.host.refused)
    yield _gauge("foedus_calls_kept_bytes", "Bytes of calls that are kept, at both ends.", calls.kept_bytes)
    yield _by("foedus_webhook_deliveries_total", "Deliveries to webhooks.", "outcome", calls.webhooks.outcomes)


def _councils(node: Node) -> Iterator[list[str]]:
    """Yield how far the councils are that this node decides in: COUNCILS_MAX of them at most."""
    drivers = {seat.founded.founding.id: seat.driver for seat in node.councils.seats() if seat.driver is not None}
    running = {council: driver for council, driver in drivers.items() if driver.is_up}
    ledgers = {council: driver.replica.ledger for council, driver in running.items()}
    gauges: dict[str, tuple[str, dict[bytes, int]]] = {
        "epoch": ("How often the members have changed.", {it: each.membership.epoch for it, each in running.items()}),
        "view": (
            "The view: how often leaders were left in this epoch.",
            {it: each.replica.view for it, each in running.items()},
        ),
        "made": ("The last place at which a batch was made here.", {it: each.sequence for it, each in ledgers.items()}),
        "lag": ("Places by which this node is behind.", {it: each.lag for it, each in running.items()}),
        "waiting": (
            "Updates known here that are not made.",
            {it: len(each.replica.pending) for it, each in running.items()},
        ),
        "silent_members": (
            "Members not heard for ten seconds.",
            {it: len(each.silent) for it, each in running.items()},
        ),
    }
    for name, (text, values) in gauges.items():
        rows = (f'foedus_council_{name}{{council="{council.hex()}"}} {value}' for council, value in values.items())
        yield [*_head(f"foedus_council_{name}", text, "gauge"), *rows]


def _by(name: str, text: str, label: str, counts: Mapping[str, int]) -> list[str]:
    """Return a counter by one label."""
    rows = (f'{name}{{{label}="{code}"}} {count}' for code, count in sorted(counts.items()))
    return [*_head(name, text, "counter"), *rows]


def _per_peer(name: str, text: str, values: dict[bytes, int]) -> list[str]:
    rows = (f'{name}{{peer="{node.hex()}"}} {value}' for node, value in values.items())
    return [*_head(name, text, "gauge"), *rows]


def _head(name: str, text: str, kind: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]


def _gauge(name: str, text: str, value: int) -> list[str]:
    return [*_head(name, text, "gauge"), f"{name} {value}"]


def _counter(name: str, text: str, value: int) -> list[str]:
    return [*_head(name, text, "counter"), f"{name} {value}"]
