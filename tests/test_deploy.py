"""What deploy/ promises without a container: pinned, closed, without secrets, and naming only what Kindred has."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from starlette.testclient import TestClient
from test_serving import serving
from toys import ToyEncoder

from benchmarks.results import saved
from search.cli import main
from search.server.app import create_app

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
TEXTS = {
    path.relative_to(DEPLOY).as_posix(): path.read_text("utf-8") for path in sorted(DEPLOY.rglob("*")) if path.is_file()
}
DOCUMENTS = {name: list(yaml.safe_load_all(text)) for name, text in TEXTS.items() if name.endswith(".yaml")}
COMPOSE = DOCUMENTS["compose.yaml"][0]
KUBERNETES = [part for name, parts in DOCUMENTS.items() if name.startswith("kubernetes/") for part in parts]
VERSION = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)[1]  # type: ignore[index]
PYTHON = [
    code for name in ("README.md", "RUNBOOK.md") for code in re.findall(r"```python\n(.*?)```", TEXTS[name], re.DOTALL)
]
FENCED = re.compile(r"^```\w*\n(.*?)^```$", re.DOTALL | re.MULTILINE)
MILVUS, CHART = "v2.6.19", "5.0.28"
NEEDS = saved("sizes")["needs"]


def within(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key of mappings in ``value``, however deep, with what stands there."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield key, part
            yield from within(part)
    elif isinstance(value, list):
        for part in value:
            yield from within(part)


def pods() -> list[dict[str, Any]]:
    return [part["spec"] for document in KUBERNETES for key, part in within(document) if key == "template"]


def size(text: str) -> float:
    """Bytes of a quantity of Kubernetes or Compose."""
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi|m|g)", text).groups()  # type: ignore[union-attr]
    return int(number) * {"Mi": 2**20, "Gi": 2**30, "m": 2**20, "g": 2**30}[unit]


def default(text: str) -> str:
    """What Compose takes where a variable is not set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def test_every_image_is_pinned_and_milvus_is_the_same_everywhere() -> None:
    images = [str(image) for document in (COMPOSE, *KUBERNETES) for key, image in within(document) if key == "image"]
    images += re.findall(r"^FROM (\S+)", TEXTS["Dockerfile"], re.MULTILINE)
    assert len(images) >= 7
    for image in images:
        assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+[\w.-]*", image), image
        name, _, tag = image.partition(":")
        assert {"milvusdb/milvus": MILVUS, "kindred": VERSION}.get(name, tag) == tag
    for name in ("helm/milvus-standalone.yaml", "helm/milvus-cluster.yaml"):
        assert DOCUMENTS[name][0]["image"]["all"] == {"repository": "milvusdb/milvus", "tag": MILVUS}
    kustomization = DOCUMENTS["kubernetes/kustomization.yaml"][0]
    assert [(image["name"], image["newTag"]) for image in kustomization["images"]] == [("kindred", VERSION)]


def test_every_command_of_helm_names_the_one_version_of_the_chart() -> None:
    commands = [
        line for text in TEXTS.values() for line in text.splitlines() if re.search(r"helm (install|upgrade) \w", line)
    ]
    assert len(commands) == 4
    for line in commands:
        assert f"zilliztech/milvus --version {CHART} " in line
    assert not [name for name, text in TEXTS.items() if re.search(r":latest\b|@master\b", text)]


def test_no_file_holds_a_secret() -> None:
    example = dict(line.split("=", 1) for line in TEXTS[".env.example"].splitlines() if line and line[0] != "#")
    assert example == dict.fromkeys(["NOTES", "MILVUS_ROOT_PASSWORD", "KINDRED_MILVUS_TOKEN", "KINDRED_TOKEN"], "")
    secret = re.compile(r"TOKEN|PASSWORD|SECRET|KEY")
    for key, value in within(COMPOSE):
        if secret.search(key):
            assert re.fullmatch(r"\$\{\w+:\?see \.env\.example\}", value), key
    for document in (*KUBERNETES, *DOCUMENTS["helm/milvus-standalone.yaml"], *DOCUMENTS["helm/milvus-cluster.yaml"]):
        assert document.get("kind") != "Secret"
        for key, value in within(document):
            assert not secret.search(key) and key not in ("accessKey", "secretKey"), key
            for entry in value if key in ("env", "extraEnv") else ():
                assert list(entry) == ["name", "valueFrom"], entry
    for name, text in TEXTS.items():
        assert not re.search(r"minioadmin|root:\w|Bearer [\w-]+\.|[A-Za-z0-9+]{40,}", text), name


def test_whatever_compose_asks_for_is_in_the_example_or_has_a_default() -> None:
    asked = set(re.findall(r"\$\{(\w+):\?", TEXTS["compose.yaml"]))
    assert asked == {"NOTES", "MILVUS_ROOT_PASSWORD", "KINDRED_MILVUS_TOKEN", "KINDRED_TOKEN"}
    assert not re.findall(r"\$\{\w+\}|\$\w", TEXTS["compose.yaml"])
    assert ".env" in (ROOT / ".gitignore").read_text("utf-8").splitlines()


def test_every_variable_of_kindred_that_is_named_is_read_by_its_code() -> None:
    code = "".join(
        path.read_text("utf-8") for folder in ("indexer", "search") for path in (ROOT / folder).rglob("*.py")
    )
    named = {name for text in TEXTS.values() for name in re.findall(r"\bKINDRED_[A-Z_]*[A-Z]", text)}
    assert {"KINDRED_TOKEN", "KINDRED_MILVUS_TOKEN", "KINDRED_MILVUS_CA", "KINDRED_CACHE"} <= named
    assert sorted(name for name in named if f'"{name}"' not in code) == []


def test_the_extra_that_the_image_installs_is_one_of_kindred_s() -> None:
    extra = re.search(r"'\.\[(\w+)\]'", TEXTS["Dockerfile"])
    assert extra is not None
    assert f"\n{extra[1]} = [" in (ROOT / "pyproject.toml").read_text("utf-8")


def lines_of_commands() -> list[list[str]]:
    """Every command of Kindred that deploy/ shows or runs, as words from "kindred" on."""
    lists = [
        part for document in (COMPOSE, *KUBERNETES) for key, part in within(document) if key in ("command", "args")
    ]
    found = [words for words in lists if words[0] == "kindred"]
    for text in (text for name, text in TEXTS.items() if name.endswith(".md")):
        spans = [line for block in FENCED.findall(text) for line in block.splitlines()]
        spans += re.findall(r"`([^`\n]+)`", FENCED.sub("", text))
        for span in spans:
            match = re.search(r"\bkindred (?:(?:index|search|serve|check|eval|info|related|show|export|mcp)\b.*)", span)
            if match and "--namespace kindred" not in span:
                found.append(shlex.split(match[0], comments=True))
    return found


def test_every_command_of_kindred_that_is_named_is_one_it_has() -> None:
    context = click.Context(main)
    names = []
    for _, name, *options in lines_of_commands():
        command = main.get_command(context, name)
        assert command is not None, name
        known = {option: param for param in command.params for option in (*param.opts, *param.secondary_opts)}
        for word, value in zip(options, [*options[1:], ""]):  # noqa: B905 - as many
            if word.startswith("-"):
                assert word in known, (name, word)
                kind = known[word].type
                assert not isinstance(kind, click.Choice) or value in kind.choices
        names.append(name)
    assert {"serve", "index", "check", "search"} <= set(names)


def test_ports_are_this_machine_s_alone() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:8000:8000"]
    assert COMPOSE["networks"]["engine"] == {"internal": True}
    assert COMPOSE["services"]["milvus"]["networks"] == ["engine"]
    keys = {key for document in KUBERNETES for key, _ in within(document)}
    assert not keys & {"hostPort", "hostNetwork", "hostPath", "nodePort"}
    assert [part["spec"]["type"] for part in KUBERNETES if part["kind"] == "Service"] == ["ClusterIP"]
    for name in ("helm/milvus-standalone.yaml", "helm/milvus-cluster.yaml"):
        assert DOCUMENTS[name][0]["service"] == {"type": "ClusterIP"}


def test_a_server_that_is_reached_from_elsewhere_has_a_token() -> None:
    servers = [words for words in lines_of_commands() if words[1] == "serve" and "--host" in words]
    assert len(servers) == 2
    assert all(words[words.index("--host") + 1] == "0.0.0.0" for words in servers)  # noqa: S104 - in a container
    assert "KINDRED_TOKEN" in COMPOSE["services"]["kindred"]["environment"]
    (server,) = (container for pod in pods() for container in pod["containers"] if "serve" in container["args"])
    assert [entry["name"] for entry in server["env"]] == ["KINDRED_MILVUS_TOKEN", "KINDRED_TOKEN"]


def test_everything_has_limits_and_kindred_no_rights() -> None:
    for name, service in COMPOSE["services"].items():
        assert size(default(service["mem_limit"])) >= 2 * 2**30 and service["cpus"] and service["pids_limit"]
        assert "no-new-privileges:true" in service["security_opt"]
        if name != "milvus":
            assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["init"]
    assert len(pods()) == 2
    for pod in pods():
        assert pod["securityContext"]["runAsNonRoot"] and not pod["automountServiceAccountToken"]
        for container in pod["containers"]:
            assert {"cpu", "memory"} <= set(container["resources"]["limits"])
            closed = {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["securityContext"] == closed
    users = re.findall(r"^USER (\d+):(\d+)$", TEXTS["Dockerfile"], re.MULTILINE)
    assert {(pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsGroup"]) for pod in pods()} == {
        (int(user), int(group)) for user, group in users
    }


def test_what_is_written_lies_in_a_volume() -> None:
    cache = re.search(r"KINDRED_CACHE=(\S+)", TEXTS["Dockerfile"])
    assert cache is not None
    for name in ("kindred", "index"):
        assert any(mount.endswith(f":{cache[1]}") for mount in COMPOSE["services"][name]["volumes"])
    for pod in pods():
        places = {mount["mountPath"]: mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
        assert {cache[1], "/tmp"} <= set(places)  # noqa: S108 - in a container
        assert set(places.values()) == {volume["name"] for volume in pod["volumes"]}


def test_milvus_is_configured_the_same_by_compose_and_by_helm() -> None:
    own = DOCUMENTS["milvus/user.yaml"][0]
    one = yaml.safe_load(DOCUMENTS["helm/milvus-standalone.yaml"][0]["extraConfigFiles"]["user.yaml"])
    many = yaml.safe_load(DOCUMENTS["helm/milvus-cluster.yaml"][0]["extraConfigFiles"]["user.yaml"])
    assert {key: one[key] for key in own} == own
    assert {**many, "mq": own["mq"]} == {**own, "common": {"security": {"authorizationEnabled": True}}}
    assert json.loads(own["autoIndex"]["params"]["build"])["index_type"] == "HNSW"
    environment = COMPOSE["services"]["milvus"]["environment"]
    assert (environment["ETCD_USE_EMBED"], environment["COMMON_STORAGETYPE"]) == ("true", one["common"]["storageType"])
    assert environment["ETCD_DATA_DIR"] == one["etcd"]["data"]["dir"]
    assert environment["COMMON_SECURITY_AUTHORIZATIONENABLED"] == "true"


def test_the_probes_tell_a_server_that_answers_from_one_that_does_not(toy_folder: Path) -> None:
    (server,) = (container for pod in pods() for container in pod["containers"] if "serve" in container["args"])
    assert (
        server["startupProbe"]["httpGet"]
        == server["livenessProbe"]["httpGet"]
        == {"path": "/api/health", "port": "http"}
    )
    python, flag, ready = server["readinessProbe"]["exec"]["command"]
    check = re.search(r'^    CMD \["python", "-c", "(.*)"\]$', TEXTS["Dockerfile"], re.MULTILINE)
    assert (python, flag) == ("python", "-c") and check is not None

    def probe(code: str, port: int, token: str) -> int:
        assert code.count(":8000/") == 1
        words = [sys.executable, "-c", code.replace(":8000/", f":{port}/")]
        return subprocess.run(words, env={**os.environ, "KINDRED_TOKEN": token}, capture_output=True).returncode

    with serving(create_app(toy_folder, "0.0.0.0", "secret", encoder=ToyEncoder())) as port:  # noqa: S104 - only its rules
        assert probe(ready, port, "secret") == 0
        assert probe(ready, port, "another") == 1
        assert probe(check[1], port, "another") == 0
    assert probe(ready, port, "secret") == probe(check[1], port, "") == 1


def test_the_code_of_the_runbook_calls_what_pymilvus_has() -> None:
    assert len(PYTHON) == 3
    client = pytest.importorskip("pymilvus").MilvusClient
    for code in PYTHON:
        calls = [node.func for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
        methods = [
            call.attr
            for call in calls
            if isinstance(call, ast.Attribute) and isinstance(call.value, ast.Name) and call.value.id == "client"
        ]
        assert methods
        assert all(callable(getattr(client, name, None)) for name in methods), methods


def test_the_figures_that_the_runbook_watches_are_those_of_the_server(toy_folder: Path) -> None:
    (watched,) = re.findall(r"^## Watch\n(.*?)^## ", TEXTS["RUNBOOK.md"], re.DOTALL | re.MULTILINE)
    names = re.findall(r"`(kindred_\w+)`", watched)
    with TestClient(create_app(toy_folder, encoder=ToyEncoder()), base_url="http://localhost") as client:
        client.get("/api/health")
        figures = client.get("/metrics").text
    assert len(names) == 5
    assert [name for name in names if not re.search(rf"^{name}\W|^# TYPE {name} ", figures, re.MULTILINE)] == []


def test_every_page_and_file_that_is_linked_is_there() -> None:
    for name, text in TEXTS.items():
        for target in re.findall(r"\]\(([^)#\s]+)", text) if name.endswith(".md") else ():
            assert target.startswith("https://") or (DEPLOY / name).parent.joinpath(target).exists(), (name, target)


def test_what_is_asked_for_holds_the_notes_that_it_is_said_to_hold() -> None:
    million, ten = NEEDS["1000000"], NEEDS["10000000"]
    standalone, cluster = DOCUMENTS["helm/milvus-standalone.yaml"][0], DOCUMENTS["helm/milvus-cluster.yaml"][0]
    for memory in (
        default(COMPOSE["services"]["milvus"]["mem_limit"]),
        standalone["standalone"]["resources"]["limits"]["memory"],
    ):
        assert size(memory) >= million["memory while loading"]
    nodes, limits = cluster["queryNode"]["replicas"], cluster["queryNode"]["resources"]["limits"]
    assert nodes * size(limits["memory"]) >= ten["memory while loading"]
    assert nodes * size(limits["ephemeral-storage"]) >= ten["mapped"]
    assert nodes * int(limits["cpu"]) >= ten["cores"]
