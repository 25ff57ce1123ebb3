"""The `lbmesh` command: its verbs."""


def main() -> int:
    return 0
