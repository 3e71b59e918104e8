"""The frames of a link: one frozen value per row of the table in docs/protocol.md section 5.

A frame is the DAG-CBOR list ``[type, ...]``. Events are opaque bytes here; identity records are taken apart by
``identity.record.parse_signed_record``.
"""
