"""The control process: gossip socket, prober, links to the forwarders, admin server, around one Plane."""
