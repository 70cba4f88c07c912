"""The shortest useful program: pair once, query, and end with a sentence where a person is needed.

Run it: python script.py [CONNECTION]
"""

import sys

import meshmesh


def main(connection: str = "demo") -> int:
    """Print five accounts of a connection; the exit code is one of MeshMesh's command line."""
    try:
        tool = meshmesh.pair("Account list", wants=[f"{connection}:read"])
        with tool.connect(connection) as org:
            for account in org.query("SELECT Name, Industry FROM Account ORDER BY Name LIMIT 5"):
                print(f"{account['Name']}  ({account['Industry']})")
    except meshmesh.Error as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
