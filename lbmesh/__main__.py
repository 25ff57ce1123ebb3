"""`python -m lbmesh`: the same as the `lbmesh` command."""

from lbmesh.cli import main

raise SystemExit(main())
