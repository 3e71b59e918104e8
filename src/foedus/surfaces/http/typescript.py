"""The API's types for the page: ``python -m foedus.surfaces.http.typescript > ui/src/api/types.ts``.

Made from the OpenAPI document; tests/page holds the file in the repository to it.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from foedus.surfaces.http.app import OPERATIONS
from foedus.surfaces.http.openapi import document

_HEAD = "// Made by `python -m foedus.surfaces.http.typescript` from the OpenAPI document of /schema. Do not edit.\n"
_SCALARS = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
_REF = re.compile(r'"#/components/schemas/(\w+)"')
_NAME = re.compile(r"[A-Za-z_]\w*")


def types() -> str:
    """Return the file's text."""
    described = document(OPERATIONS)
    shapes = described["components"]["schemas"]
    sent = _reached(described, shapes)
    parts = [_HEAD]
    parts += [f"export type {name} = {_shape(name, shape, sent)};\n" for name, shape in sorted(shapes.items())]
    rows = [
        f"  {json.dumps(f'{method.upper()} {path}')}: {_operation(operation)};\n"
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]
    parts.append(f"export interface Operations {{\n{''.join(rows)}}}\n")
    return "\n".join(parts)


def _reached(described: dict[str, Any], shapes: dict[str, Any]) -> set[str]:
    """Return the shapes that requests bring: there what has a default may be left out, while answers are whole."""
    bodies = [one.get("requestBody") for methods in described["paths"].values() for one in methods.values()]
    found: set[str] = set()
    new = set(_REF.findall(json.dumps(bodies)))
    while new:
        found |= new
        new = set(_REF.findall(json.dumps([shapes[name] for name in new]))) - found
    return found


def _shape(name: str, shape: dict[str, Any], sent: set[str]) -> str:
    is_answer = name not in sent and "properties" in shape
    return _type(shape | {"required": list(shape["properties"])} if is_answer else shape)


def _operation(operation: dict[str, Any]) -> str:
    path = [one["name"] for one in operation["parameters"] if one["in"] == "path"]
    query = [(one["name"], _type(one["schema"])) for one in operation["parameters"] if one["in"] == "query"]
    success = next(answer for status, answer in operation["responses"].items() if status.startswith("2"))
    answer = success.get("content", {}).get("application/json")
    body = operation.get("requestBody")
    given = "undefined" if body is None else _type(body["content"]["application/json"]["schema"])
    if body is not None and not body["required"]:
        given += " | undefined"
    return (
        f"{{ path: {{ {' '.join(f'{name}: string;' for name in path)} }}; "
        f"query: {{ {' '.join(f'{_key(name)}?: {kind};' for name, kind in query)} }}; "
        f"body: {given}; answer: {'string' if answer is None and 'content' in success else _type_or_none(answer)} }}"
    )


def _type_or_none(answer: dict[str, Any] | None) -> str:
    return "undefined" if answer is None else _type(answer["schema"])


def _type(shape: dict[str, Any]) -> str:
    if "$ref" in shape:
        return str(shape["$ref"]).rsplit("/", 1)[-1]
    if "enum" in shape or "const" in shape:
        return " | ".join(json.dumps(value) for value in shape.get("enum", [shape.get("const")]))
    if "anyOf" in shape:
        return " | ".join(dict.fromkeys(_type(one) for one in shape["anyOf"]))
    kind = shape.get("type")
    if isinstance(kind, list):
        return " | ".join(_SCALARS[one] for one in kind)
    compound = {"array": _array, "object": _object}.get(str(kind))
    return compound(shape) if compound else _SCALARS.get(str(kind), "unknown")


def _array(shape: dict[str, Any]) -> str:
    if "prefixItems" in shape:
        return f"[{', '.join(_type(item) for item in shape['prefixItems'])}]"
    items = shape.get("items")
    return f"Array<{_type(items) if isinstance(items, dict) else 'unknown'}>"


def _object(shape: dict[str, Any]) -> str:
    if "properties" not in shape:
        values = shape.get("additionalProperties")
        return f"Record<string, {_type(values) if isinstance(values, dict) and values else 'unknown'}>"
    required = set(shape.get("required", ()))
    fields = (
        f"{_key(name)}{'' if name in required else '?'}: {_type(kind)};" for name, kind in shape["properties"].items()
    )
    return f"{{ {' '.join(fields)} }}"


def _key(name: str) -> str:
    return name if _NAME.fullmatch(name) else json.dumps(name)


if __name__ == "__main__":
    sys.stdout.write(types())
