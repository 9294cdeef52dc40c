"""Lets a test program of another language have something done to its broker: stop it, kill it, start it again.

The program writes the word into FOLDER/N.ask (moved there whole) and waits for FOLDER/N.done, which holds nothing, or the error.
"""

import contextlib
import threading
from pathlib import Path


@contextlib.contextmanager
def control(folder: Path, actions: dict):
    """`actions`: word -> what is called for it."""
    folder.mkdir(parents=True, exist_ok=True)
    over = threading.Event()

    def serve():
        while not over.wait(0.02):
            for ask in sorted(folder.glob("*.ask")):
                try:
                    actions[ask.read_text().strip()]()
                    said = ""
                except Exception as e:
                    said = f"{type(e).__name__}: {e}"
                ask.unlink()
                part = ask.with_suffix(".part")
                part.write_text(said)
                part.rename(ask.with_suffix(".done"))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield folder
    finally:
        over.set()
        thread.join()


def of_broker(broker) -> dict:
    return {"stop": broker.stop, "kill": broker.kill, "start": broker.start, "restart": broker.restart}
