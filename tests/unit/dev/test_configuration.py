"""The generated configurations are ones that `lbmesh run` takes."""

from pathlib import Path

from lbmesh.config.load import load_settings
from lbmesh.config.settings import Settings
from lbmesh.dev.configuration import balancer_config, write_key_files
from lbmesh.dev.world import make_world


def test_each_balancer_is_told_of_the_others_and_of_every_replica(tmp_path: Path) -> None:
    place = tmp_path / 'a "quoted" \\ place'
    place.mkdir()
    world = make_world(lambda _host, wanted, _transport: wanted)
    write_key_files(world, place, b"k" * 32)

    for balancer in world.balancers:
        file = place / "node.toml"
        file.write_text(balancer_config(balancer, world, place))
        settings = load_settings(file)

        assert isinstance(settings, Settings), settings
        assert (settings.node.name, settings.node.zone) == (balancer.name, balancer.zone)
        assert [listener.bind for listener in settings.listeners] == [balancer.address]
        assert settings.gossip is not None
        assert settings.gossip.bind == balancer.gossip
        assert set(settings.gossip.seeds) == {one.gossip for one in world.balancers} - {balancer.gossip}
        assert settings.admin is not None
        assert settings.admin.bind == balancer.admin
        (service,) = settings.services
        assert [(one.address, one.zone) for one in service.replicas] == [
            (one.address, one.zone) for one in world.replicas
        ]
        assert Path(settings.log.access).parent == place
