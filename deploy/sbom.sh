#!/usr/bin/env bash
# What the program is made of, as CycloneDX 1.5 in JSON: every crate that is compiled into it or runs while it is built, with
# version, licence, digest (of Cargo.lock) and what it needs. The same commit gives the same octets: no date, no chance number.
#
#   deploy/sbom.sh [TARGET] > yinxin.cdx.json      TARGET: what rustc is asked for, by default the container's (…-linux-musl)
#
# Wants cargo with the crates of Cargo.lock, and python3. What tests and examples use alone is left out. Two crates bring C with
# them, which has no line of its own here: libsqlite3-sys (SQLite) and ring (parts of BoringSSL).
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:-$(uname -m)-unknown-linux-musl}
cargo metadata --locked --format-version 1 --filter-platform "$target" | python3 -c '
import json, sys, tomllib

found = json.load(sys.stdin)
packages = {package["id"]: package for package in found["packages"]}
nodes = {node["id"]: node for node in found["resolve"]["nodes"]}
with open("Cargo.lock", "rb") as lock:
    digests = {(p["name"], p["version"]): p.get("checksum") for p in tomllib.load(lock)["package"]}

def needs(id):
    kinds = lambda dep: {kind["kind"] for kind in dep["dep_kinds"]}
    return sorted(dep["pkg"] for dep in nodes[id]["deps"] if kinds(dep) & {None, "build"})

def purl(id):
    return "pkg:cargo/{name}@{version}".format(**packages[id])

root = next(id for id, package in packages.items() if package["name"] == "yinxin")
reached, todo = set(), [root]
while todo:
    id = todo.pop()
    if id not in reached:
        reached.add(id)
        todo.extend(needs(id))

def component(id):
    package = packages[id]
    of = {"type": "application" if id == root else "library", "bom-ref": purl(id), "name": package["name"],
          "version": package["version"], "purl": purl(id)}
    if package.get("description"):
        of["description"] = " ".join(package["description"].split())
    if package.get("license"):
        # Older crates write MIT/Apache-2.0, which is no SPDX expression.
        of["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    digest = digests.get((package["name"], package["version"]))
    if digest:
        of["hashes"] = [{"alg": "SHA-256", "content": digest}]
    if package.get("repository"):
        of["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return of

refs = sorted(reached, key=purl)
json.dump({
    "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
    "metadata": {"component": component(root), "properties": [{"name": "cargo:target", "value": sys.argv[1]}]},
    "components": [component(id) for id in refs if id != root],
    "dependencies": [{"ref": purl(id), "dependsOn": [purl(need) for need in needs(id)]} for id in refs],
}, sys.stdout, indent=1, ensure_ascii=False)
print()
' "$target"
