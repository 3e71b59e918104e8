"""What the parts of frames are made of."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from msgspec import Meta

from foedus.base.limits import BODY_MAX, ENVELOPE_MAX, NAME_MAX, STREAM_NAME_MAX

Seq: TypeAlias = Annotated[int, Meta(ge=0, lt=1 << 53)]
StreamName: TypeAlias = Annotated[str, Meta(min_length=1, max_length=STREAM_NAME_MAX)]
Code: TypeAlias = Annotated[str, Meta(pattern=r"\A[a-z0-9_]{1,64}\Z")]
Name: TypeAlias = Annotated[str, Meta(max_length=NAME_MAX)]
Tier: TypeAlias = Annotated[str, Meta(min_length=1, max_length=32)]
Document: TypeAlias = Annotated[bytes, Meta(max_length=BODY_MAX)]
PlainRecord: TypeAlias = Annotated[list[Any], Meta(min_length=2, max_length=2)]
"""What ``SignedRecord.plain`` gives and ``parse_signed_record`` takes."""
EnvelopeBytes: TypeAlias = Annotated[bytes, Meta(max_length=ENVELOPE_MAX)]
