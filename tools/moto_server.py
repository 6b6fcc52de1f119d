"""The AWS emulator's process: serves on a free loopback port, says which, ends when its standard input does.

Run by its path, so it imports nothing of this project.
"""

import os
import sys
import threading

from moto.server import ThreadedMotoServer


def main() -> None:
    """Serve until the other end of standard input is gone, however it went."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    print(f"port {port}", flush=True)
    watcher = threading.Thread(target=sys.stdin.read)
    watcher.start()
    watcher.join()
    # Requests that are still served hold nothing worth waiting for.
    os._exit(0)


if __name__ == "__main__":
    main()
