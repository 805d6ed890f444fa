"""The API server behaves as the operator's tests rely on."""

import pytest
import requests

from lib.servers import Kubernetes
from lib.wait import eventually

pytestmark = pytest.mark.kubernetes

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


def config_map(name: str) -> dict:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "1"}}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One API server for these tests; each leaves it running."""
    server = Kubernetes(tmp_path_factory.mktemp("api"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def administrator(server):
    """A session with the administrator's certificate."""
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(server.folder / "pki" / "ca.crt")
        session.cert = (str(server.folder / "pki" / "admin.crt"), str(server.folder / "pki" / "admin.key"))
        yield session


def test_objects_outlive_a_stop_and_a_kill(server, administrator):
    made = administrator.post(server.url + CONFIG_MAPS, json=config_map("kept"))
    assert made.status_code == 201
    for end in (server.stop, server.kill):
        end()
        assert not server.alive()
        server.start()
        kept = administrator.get(f"{server.url}{CONFIG_MAPS}/kept").json()
        assert kept["data"] == {"a": "1"}
        assert kept["metadata"]["uid"] == made.json()["metadata"]["uid"]


def test_a_paused_api_server_does_not_answer_until_resumed(server, administrator):
    server.pause()
    with pytest.raises(requests.Timeout):
        administrator.get(server.url + "/readyz", timeout=1)
    server.resume()
    eventually(lambda: administrator.get(server.url + CONFIG_MAPS, timeout=10).ok, "answers again")


def test_objects_are_checked_and_strangers_refused(server, administrator):
    assert administrator.post(server.url + CONFIG_MAPS, json=config_map("Not_A_Name")).status_code == 422
    stranger = requests.get(server.url + CONFIG_MAPS, verify=administrator.verify)
    assert stranger.status_code == 403
