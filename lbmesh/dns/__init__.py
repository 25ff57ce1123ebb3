"""An authoritative name server's rules: from a query's bytes to an answer's, without sockets or a clock."""
