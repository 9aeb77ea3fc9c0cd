"""greenswitch, as it comes from PyPI, at the broker's door: PORT WRONG-TOKEN TOKEN. Prints READY when it listens, ends with 0 when all is well."""

import gevent.monkey

gevent.monkey.patch_all()

import sys

import gevent
import gevent.event
import greenswitch

port, wrong, token = int(sys.argv[1]), sys.argv[2], sys.argv[3]


def same(what, got, expected):
    assert got == expected, f"{what}: {got!r} and not {expected!r}"


stranger = greenswitch.InboundESL(host="127.0.0.1", port=port, password=wrong)
try:
    stranger.connect()
    raise SystemExit("a wrong token was let in")
except ValueError as error:
    same("wrong token", str(error), "Invalid password.")

client = greenswitch.InboundESL(host="127.0.0.1", port=port, password=token)
client.connect()
assert client.send("api status").data.startswith("UP "), "api status"
same("a refused command", client.send("api system id").data, "-ERR permission denied")
same("a refused job", client.send("bgapi system id").data, "-ERR permission denied")

seen = {name: gevent.event.AsyncResult() for name in ("BACKGROUND_JOB", "HEARTBEAT", "lab::one", "DISCONNECT")}
for name, result in seen.items():
    client.register_handle(name, lambda event, result=result: result.set(event))
# As in its own documentation.
same("events", client.send("EVENTS PLAIN ALL").data, "+OK event listener enabled plain")
job = client.send("bgapi status").headers["Job-UUID"]
ended = seen["BACKGROUND_JOB"].get(timeout=20)
same("the job", ended.headers["Job-UUID"], job)
print("READY", flush=True)
assert seen["HEARTBEAT"].get(timeout=20)
same("a subclass", seen["lab::one"].get(timeout=20).headers["A"], "b c")
same("noevents", client.send("noevents").data, "+OK no longer listening for events")
same("leaving", client.send("exit").data, "+OK bye")
assert seen["DISCONNECT"].get(timeout=20)
