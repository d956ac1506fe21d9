# SPDX-License-Identifier: Apache-2.0
"""The specification for tests: finds an operation, checks a value against its schema, and makes a value that fits. Strict where
a validator of JSON Schema is not: a member that no schema names is wrong."""
import json
import re

TYPES = {"string": str, "boolean": bool, "object": dict, "array": list, "null": type(None)}
ID = "_01k5s00000000000000000000a"


class Specification:
    def __init__(self, path):
        with open(path, encoding="utf-8") as f:
            self.document = json.load(f)
        self.schemas = self.document["components"]["schemas"]
        self.operations = []  # (pattern, method, path, operation)
        for path_text, methods in self.document["paths"].items():
            pattern = re.compile(re.sub(r"\{[^}]*\}", "[^/]+", re.sub(r"[.]", r"\\.", path_text)) + "$")
            for method, operation in methods.items():
                self.operations.append((pattern, method.upper(), path_text, operation))
        # what is written out stands before what a parameter takes
        self.operations.sort(key=lambda o: o[2].count("{"))

    def find(self, method, path):
        """The operation of a request, or None."""
        return next((o for pattern, m, _, o in self.operations if m == method and pattern.match(path)), None)

    def resolve(self, schema):
        while "$ref" in schema:
            schema = self.schemas[schema["$ref"].split("/")[-1]]
        return schema

    @staticmethod
    def types(schema):
        wanted = schema.get("type", [])
        return [wanted] if isinstance(wanted, str) else wanted

    def is_type(self, value, wanted):
        if wanted == "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        if wanted == "number":
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        return isinstance(value, TYPES[wanted])

    def errors(self, value, schema, where=""):
        """What is wrong with a value, a sentence each."""
        schema = self.resolve(schema)
        if "anyOf" in schema:
            return min((self.errors(value, one, where) for one in schema["anyOf"]), key=len)
        types = self.types(schema)
        if types and not any(self.is_type(value, t) for t in types):
            return [f"{where or '/'}: {value!r} is not {' or '.join(types)}"]
        if value is None:
            return []
        found = []
        if "enum" in schema and value not in schema["enum"]:
            found.append(f"{where}: {value!r} is none of {schema['enum']}")
        if isinstance(value, str):
            found += self.text_errors(value, schema, where)
        elif isinstance(value, int) and not isinstance(value, bool):
            if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
                found.append(f"{where}: {value} is out of bounds")
        elif isinstance(value, list):
            for i, item in enumerate(value):
                found += self.errors(item, schema.get("items", {}), f"{where}/{i}")
        elif isinstance(value, dict):
            found += self.object_errors(value, schema, where)
        return found

    def text_errors(self, value, schema, where):
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
            return [f"{where}: {len(value)} characters"]
        if "pattern" in schema and not re.match(schema["pattern"], value):
            return [f"{where}: {value!r} is not like {schema['pattern']}"]
        if schema.get("format") == "date-time" and not re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$", value):
            return [f"{where}: {value!r} is no time"]
        return []

    def object_errors(self, value, schema, where):
        properties, more = schema.get("properties"), schema.get("additionalProperties")
        found = [f"{where}: {name} is missing" for name in schema.get("required", []) if name not in value]
        for name, member in value.items():
            if properties and name in properties:
                found += self.errors(member, properties[name], f"{where}/{name}")
            elif isinstance(more, dict):
                found += self.errors(member, more, f"{where}/{name}")
            elif properties and more is not True:
                found.append(f"{where}: there is no member {name}")
        return found

    @staticmethod
    def answer(operation):
        """(status, media type, schema) of what it answers when it is done."""
        for status in sorted(operation["responses"]):
            if status.startswith("2"):
                content = operation["responses"][status].get("content", {})
                media, one = next(iter(content.items()), (None, {}))
                return int(status), media, one.get("schema", {})
        return 200, None, {}

    def sample(self, schema, prefer=(), depth=0):
        """A value that fits; of an enumeration what is preferred."""
        schema = self.resolve(schema)
        schema = self.resolve(schema["anyOf"][0]) if "anyOf" in schema else schema
        types = self.types(schema) or ["null"]
        if "enum" in schema:
            return next((v for v in schema["enum"] if v in prefer), schema["enum"][0])
        if "object" in types:
            return {n: self.sample(s, prefer, depth + 1) for n, s in schema.get("properties", {}).items()}
        if "array" in types:
            return [self.sample(schema["items"], prefer, depth + 1)] if depth < 4 and schema.get("items") else []
        if "integer" in types:
            return schema.get("minimum", 1)
        if "boolean" in types:
            return False
        if "string" not in types:
            return None
        if schema.get("format") == "date-time":
            return "2026-11-26T12:00:00.000Z"
        pattern = schema.get("pattern", "")
        if "_" in pattern:
            return pattern[1:pattern.index("_")] + ID
        return "x" * schema.get("minLength", 1)
