"""The OpenAPI 3.1 document of the local API, made from the operations that serve it."""

from __future__ import annotations

import re
from html import escape
from typing import Any

import msgspec

from foedus import __version__
from foedus.surfaces.http.callers import Rule
from foedus.surfaces.http.limits import TARGET_MAX
from foedus.surfaces.http.operations import Number, Operation, Text
from foedus.surfaces.http.problems import Problem

_PROBLEM = "#/components/schemas/Problem"


def document(operations: list[Operation]) -> dict[str, Any]:
    """Return the document; ``operations`` are all of the API."""
    shapes, components = _shapes(operations)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        described = _describe(operation, shapes)
        paths.setdefault(operation.address, {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {"title": "foedus", "version": __version__, "description": "The local API of a foedus node."},
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "HOME/token"}},
        },
    }


def page(operations: list[Operation]) -> str:
    """Return a plain page that lists the operations and asks nobody for anything."""
    rows = "".join(f"<tr><td>{o.method}<td><code>{escape(o.address)}</code><td>{escape(o.about)}" for o in operations)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>foedus API</title>'
        "<h1>foedus API</h1><p>The same as OpenAPI: <code>curl /schema</code>. "
        "Calls need <code>Authorization: Bearer TOKEN</code>, but for those of anyone.</p>"
        f"<table><tr><th>Method<th>Path<th>What it does{rows}</table></html>"
    )


def _shapes(operations: list[Operation]) -> tuple[dict[int, Any], dict[str, Any]]:
    """Return the JSON schema of each type by its ``id()`` (a type may be unhashable), and the named ones."""
    types = [kind for o in operations for kind in (o.answer, o.body) if kind is not None]
    schemas, components = msgspec.json.schema_components([Problem, *types], ref_template="#/components/schemas/{name}")
    return {id(kind): schema for kind, schema in zip(types, schemas[1:], strict=True)}, components


def _describe(operation: Operation, shapes: dict[int, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": _name(operation),
        "summary": operation.about,
        "x-callers": operation.rule.value,
        "parameters": [_path_parameter(name) for name in operation.path_parameters]
        + [_query_parameter(parameter) for parameter in operation.query],
        "responses": {
            str(operation.status): _success(operation, shapes),
            "401": _failure("the bearer token is missing or wrong"),
            "default": _failure("an error; its code says which"),
        },
    }
    if operation.rule is Rule.ANYONE:
        described["security"] = []
    if operation.body is not None:
        content = {"application/json": {"schema": shapes[id(operation.body)]}}
        described["requestBody"] = {"required": not operation.body_optional, "content": content}
    return described


def _name(operation: Operation) -> str:
    words = re.findall(r"\w+", operation.path)
    return "_".join([operation.method.lower(), *words])


def _success(operation: Operation, shapes: dict[int, Any]) -> dict[str, Any]:
    success: dict[str, Any] = {"description": operation.about}
    if operation.answer is not None:
        text = {"schema": {"type": "string"}}
        structured = {"schema": shapes[id(operation.answer)]}
        success["content"] = {
            kind: structured if kind == "application/json" else text for kind in operation.media_types
        }
    return success


def _failure(about: str) -> dict[str, Any]:
    return {"description": about, "content": {"application/json": {"schema": {"$ref": _PROBLEM}}}}


def _path_parameter(name: str) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1, "maxLength": TARGET_MAX}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameter(parameter: Text | Number) -> dict[str, Any]:
    schema: dict[str, Any]
    if isinstance(parameter, Text):
        schema = {"type": "string", "maxLength": parameter.max_length}
    else:
        bounds = {"minimum": parameter.minimum, "maximum": parameter.maximum}
        schema = {"type": "integer", **bounds, "default": parameter.default}
    return {"name": parameter.name, "in": "query", "required": False, "description": parameter.about, "schema": schema}
