#!/usr/bin/env python3
"""Checks the catalogue: every file is TOML, required fields, known classes and kinds, unique names.

Run in any directory: python3 crates/broker/catalogue/check.py. Prints the counts, exits with 1 on a mistake.
"""
import pathlib, sys, tomllib

HERE = pathlib.Path(__file__).resolve().parent
CLASSES = set("""read read-secret call-control originate media registration config data network file
runs-commands script system dangerous""".split())
KINDS = set("""uuid uuid|all user domain dialstring extension dialplan context application appargs command expression
path url profile gateway conference member queue agent name value number time json xml text word rest""".split())
FIELDS = {"name": str, "module": str, "classes": list, "syntax": str, "arguments": list, "does": str}
OPTIONAL = {"danger": str, "runs": str, "subcommands": list}
WHERE = {
    "variable": set("channel originate global recording directory".split()),
    "secret": set("header variable param argument body".split()),
}
mistakes = []


def wrong(where, what):
    mistakes.append(f"{where}: {what}")


def entry(where, item, fields, optional):
    for field, kind in fields.items():
        if not isinstance(item.get(field), kind):
            wrong(where, f"{field} is missing or no {kind.__name__}")
    for field, value in item.items():
        if field not in fields and field not in optional:
            wrong(where, f"unknown field {field}")
        elif isinstance(value, str) and (value != value.strip() or "\n" in value):
            wrong(where, f"{field} has blanks around it or a line end")
        elif isinstance(value, str) and not value and field != "syntax":
            wrong(where, f"{field} is empty")


def classes(where, item):
    if not item.get("classes"):
        wrong(where, "no class")
    for name in item.get("classes", []):
        if name not in CLASSES:
            wrong(where, f"unknown class {name}")
    if "read" in item.get("classes", []) and "read-secret" in item.get("classes", []):
        wrong(where, "both read and read-secret")


def commands(folder, table):
    seen = {}
    for path in sorted((HERE / folder).glob("*.toml")):
        items = tomllib.loads(path.read_text()).get(table, [])
        subs = 0
        for item in items:
            where = f"{folder}/{path.name} {item.get('name')}"
            entry(where, item, FIELDS, OPTIONAL)
            classes(where, item)
            name = item.get("name", "")
            if name != name.lower() or not name or " " in name:
                wrong(where, "name is not one lower case word")
            # the chat plan has a namespace of its own
            key = ("chat" if path.stem == "chat" else "", name)
            if key in seen and path.stem != "chat":
                wrong(where, f"also in {seen[key]}")
            seen[key] = path.name
            for argument in item.get("arguments", []):
                if argument.removesuffix("?") not in KINDS:
                    wrong(where, f"unknown kind {argument}")
            if "runs-commands" in item.get("classes", []) and not item.get("runs"):
                wrong(where, "runs-commands without runs")
            if "dangerous" in item.get("classes", []) and not item.get("danger"):
                wrong(where, "dangerous without danger")
            names = set()
            for sub in item.get("subcommands", []):
                subs += 1
                inner = f"{where} {sub.get('name')}"
                entry(inner, sub, {"name": str, "classes": list, "does": str}, {"danger": str})
                classes(inner, sub)
                if sub.get("name") in names:
                    wrong(inner, "twice")
                names.add(sub.get("name"))
        print(f"{folder}/{path.name}: {len(items)} entries, {subs} subcommands")


def patterns(file, table, fields):
    seen = set()
    items = tomllib.loads((HERE / file).read_text()).get(table, [])
    for item in items:
        where = f"{file} {item.get('name')}"
        entry(where, item, fields, {})
        key = (item["name"], item["match"])
        if key in seen:
            wrong(where, "twice")
        seen.add(key)
        if item["match"] not in ("exact", "prefix", "suffix", "contains"):
            wrong(where, f"unknown match {item['match']}")
        if item["name"] != item["name"].lower():
            wrong(where, "not lower case")
        for place in item["where"]:
            if place not in WHERE[table]:
                wrong(where, f"unknown place {place}")
        if "classes" in item:
            classes(where, item)
    print(f"{file}: {len(items)} entries")


commands("commands", "command")
commands("applications", "application")
patterns("variables.toml", "variable", {"name": str, "match": str, "where": list, "classes": list, "does": str, "sure": str})
events = tomllib.loads((HERE / "events.toml").read_text())["event"]
seen = set()
for item in events:
    where = f"events.toml {item.get('name')} {item.get('subclass', '')}"
    entry(where, item, {"name": str, "classes": list, "does": str}, {"subclass": str, "decides": list})
    classes(where, item)
    key = (item["name"], item.get("subclass", ""))
    if key in seen or item["name"] != item["name"].upper() or (item["name"] == "CUSTOM") != bool(key[1]):
        wrong(where, "twice, not upper case, or a subclass where none belongs")
    seen.add(key)
print(f"events.toml: {len(events)} entries")
patterns("secrets.toml", "secret", {"name": str, "match": str, "where": list, "holds": str})
print("\n".join(mistakes) or "no mistakes")
sys.exit(bool(mistakes))
