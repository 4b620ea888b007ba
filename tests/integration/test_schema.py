# SPDX-License-Identifier: Apache-2.0
"""leat plugins --schema: what leat check takes, the schema takes; the slips that an editor should show, it shows."""
import copy
import json
import re

import pytest

from leat_harness.leat import command

TYPES = {"string": str, "object": dict, "array": list, "boolean": bool, "number": (int, float), "integer": int}


def wrong(schema, value, at=""):
    """Where the value is not of the schema, or None: as much of draft 7 as ours has."""
    known = {"$schema", "title", "description", "default", "allOf", "anyOf", "type", "enum", "const", "pattern", "minimum",
             "maximum", "properties", "required", "additionalProperties", "items", "minItems"}
    assert set(schema) <= known, schema
    if "type" in schema:
        types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if not any(isinstance(value, TYPES[name]) and not (isinstance(value, bool) and name in ("number", "integer"))
                   for name in types):
            return at
    if "const" in schema and value != schema["const"] or "enum" in schema and value not in schema["enum"]:
        return at
    if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
        return at
    if not isinstance(value, bool) and isinstance(value, int) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        return at
    for part in schema.get("allOf", []):
        if wrong(part, value, at) is not None:
            return wrong(part, value, at)
    if "anyOf" in schema and all(wrong(part, value, at) is not None for part in schema["anyOf"]):
        return max((wrong(part, value, at) for part in schema["anyOf"]), key=len)
    if isinstance(value, dict):
        for name in schema.get("required", []):
            if name not in value:
                return f"{at}.{name}"
        for name, item in value.items():
            part = schema.get("properties", {}).get(name, schema.get("additionalProperties", True))
            found = f"{at}.{name}" if part is False else None if part is True else wrong(part, item, f"{at}.{name}")
            if found is not None:
                return found
    if isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            return at
        for i, item in enumerate(value):
            found = wrong(schema.get("items", {}), item, f"{at}[{i}]")
            if found is not None:
                return found
    return None


@pytest.fixture(scope="module")
def schema():
    done = command("plugins", "--schema")
    assert done.returncode == 0 and not done.stderr, done
    return json.loads(done.stdout)


@pytest.fixture
def shop(leat):
    sinks = [{"name": "archive", "plugin": "file", "directory": "/tmp/x", "compression": "zstd", "rotate_size": "1MiB"},
             {"name": "bus", "plugin": "nats", "url": ["nats://a:1", "nats://b:1"], "stream": "S", "route": "a.{table}",
              "pack": {"records": 50, "max_delay": "2ms"}, "routes": [{"match": "public.t", "op": ["update"], "route": "b"}]},
             {"name": "log", "plugin": "kafka", "brokers": "${BROKERS}", "route": "t", "properties": {"client.id": "x"},
              "scan": {"settle": "300ms"}, "partitions": 3}]
    return leat("dbname=x", sinks=sinks, top={"log": {"level": "debug"}})


def test_what_check_takes(schema, shop):
    done = command("check", "--offline", "-c", shop.config, env={"BROKERS": "h:1"})
    assert done.returncode == 0, done
    assert wrong(schema, shop.tree) is None


@pytest.mark.parametrize("path, value, at", [
    (["memmory"], "1MiB", ".memmory"), (["log", "level"], "loud", ".log.level"),
    (["pipelines", 0, "sinks", 0, "compresion"], "zstd", "compresion"), (["pipelines", 0, "sinks", 1, "pack", "record"], 5, "record"),
    (["pipelines", 0, "sinks", 2, "partitions"], "three", "partitions"), (["pipelines", 0, "source", "plugin"], "nosuch", "plugin"),
    (["pipelines", 0, "sinks"], [], "sinks"), (["pipelines"], {}, "pipelines"), (["mlock"], "maybe", "mlock")])
def test_what_check_refuses(schema, shop, path, value, at):
    tree = copy.deepcopy(shop.tree)
    place = tree
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    shop.tree = tree
    shop.write_config()
    assert command("check", "--offline", "-c", shop.config, env={"BROKERS": "h:1"}).returncode == 78
    found = wrong(schema, tree)
    assert found is not None and (at in found or found.startswith(".pipelines")), found
