"""The Tiltfile, run without Tilt: its built-ins are recorded, and what it applies goes to a real API server."""

import pathlib
import subprocess

import pytest
import starlark
import yaml

from lib.servers import Kubernetes

pytestmark = pytest.mark.kubernetes

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / ".deps" / "kubernetes" / "bin"
RECORDED = ("allow_k8s_contexts", "custom_build", "k8s_resource", "local_resource", "probe", "http_get_action")


class Tilt:
    """Tilt's built-ins as far as the Tiltfile calls them; an unknown one ends the run."""

    def __init__(self, **settings):
        self.calls = []
        self.objects: list[dict] = []
        module = starlark.Module()
        for name in RECORDED:
            module.add_callable(name, self._recorder(name))
        known = {}
        for kind in ("bool", "string", "string_list"):
            module.add_callable(f"define_{kind}", lambda name, usage="", kind=kind: known.update({name: kind}))
        module.add_callable("parse", lambda: settings)
        module.add_callable("blob", lambda text: text)
        module.add_callable("k8s_yaml", self._add)
        module.add_callable("helm", self._helm)
        dialect = starlark.Dialect.extended()
        dialect.enable_top_level_stmt = True
        config = ("config = struct(define_bool=define_bool, define_string=define_string, "
                  "define_string_list=define_string_list, parse=parse)")
        library = starlark.Globals.extended_by([starlark.LibraryExtension.StructType])
        for name, text in (("config", config), ("Tiltfile", (ROOT / "Tiltfile").read_text())):
            starlark.eval(module, starlark.parse(name, text, dialect), library)
        assert set(settings) <= set(known)

    def _recorder(self, name):
        def record(*arguments, **named):
            self.calls.append((name, arguments, named))
        return record

    def of(self, name: str) -> list[tuple]:
        return [(arguments, named) for called, arguments, named in self.calls if called == name]

    def _add(self, text: str):
        source = text if "\n" in text else (ROOT / text).read_text()
        self.objects += [each for each in yaml.safe_load_all(source) if each]

    @staticmethod
    def _helm(chart, name, namespace, set):
        arguments = [word for value in set for word in ("--set", value)]
        return subprocess.run(
            [PROGRAMS / "helm", "template", name, ROOT / chart, "-n", namespace, "--include-crds", *arguments],
            capture_output=True, text=True, check=True).stdout

    def deployment(self) -> dict:
        [deployment] = [each for each in self.objects if each["kind"] == "Deployment"]
        return deployment["spec"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Kubernetes(tmp_path_factory.mktemp("api"))
    server.start()
    yield server
    server.kill()


def test_what_it_applies_is_taken(server):
    tilt = Tilt(kafka="a:9092,b:9092")
    # The namespace must be there before what is in it, for a dry run too.
    for objects, arguments in ((tilt.objects[:1], ()), (tilt.objects, ("--dry-run=server",))):
        done = subprocess.run(
            [PROGRAMS / "kubectl", "--kubeconfig", server.kubeconfig, "apply", "--server-side", *arguments, "-f", "-"],
            input=yaml.safe_dump_all(objects), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert "deployment.apps/levada-operator serverside-applied (server dry run)" in done.stdout


def test_the_image_is_built_for_the_pods_that_run_it():
    tilt = Tilt()
    [((image,), build)] = tilt.of("custom_build")
    [container] = tilt.deployment()["template"]["spec"]["containers"]
    assert container["image"].split(":")[0] == image
    workers = {each["name"]: each.get("value") for each in container["env"]}["LEVADA_IMAGE"]
    assert workers == container["image"] and build["match_in_env_vars"]
    assert "$EXPECTED_REF" in build["command"]
    for path in build["deps"]:
        assert (ROOT / path).exists()


def test_the_port_is_forwarded_to_the_operator():
    tilt = Tilt()
    [((name,), _)] = tilt.of("k8s_resource")
    assert name in {each["metadata"]["name"] for each in tilt.objects if each["kind"] == "Deployment"}


def test_a_local_operator_has_none_in_the_cluster_beside_it():
    tilt = Tilt(local=True)
    assert tilt.deployment()["replicas"] == 0
    [(_, operator)] = tilt.of("local_resource")
    assert "--no-elect" in operator["serve_cmd"]


def test_pipelines_are_applied_too():
    tilt = Tilt(pipeline=["manifests/samples/fraud-prevention.yaml"])
    assert [each["metadata"]["name"] for each in tilt.objects if each["kind"] == "Pipeline"] == ["fraud-prevention"]


@pytest.mark.parametrize("builder", ["docker", "node"])
def test_each_builder_is_a_shell_command(builder):
    [(_, build)] = Tilt(builder=builder).of("custom_build")
    subprocess.run(["bash", "-n", "-c", build["command"]], check=True)
