from pathlib import Path

from lbmesh.config.load import load_settings
from lbmesh.config.settings import Settings
from tests.bench.proxies.base import Site
from tests.bench.proxies.lbmesh import Lbmesh


def test_the_configuration_written_for_lbmesh_is_one_it_reads(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    launch = Lbmesh().launch(Site(tmp_path, port=8001, admin_port=8002, origins=(8003, 8004), access_log=log))
    settings = load_settings(Path(launch.argv[-1]))
    assert isinstance(settings, Settings), settings
    assert settings.workers == 1
    assert settings.log.access == str(log)
    assert [replica.address.port for replica in settings.services[0].replicas] == [8003, 8004]
    assert settings.admin is not None
    assert settings.services[0].health is not None
