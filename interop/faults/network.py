#!/usr/bin/env python3
"""A network of its own for a test: namespaces, and a switch between them that loses, delays and cuts.

    network.py why-not                  says what this machine lacks for it, and fails; silent where it has all
    network.py start DIR NODE...        makes a namespace for each node, with the address that `address` tells
    network.py address DIR NODE         10.97.0.1 for the first node, and so on
    network.py run DIR NODE COMMAND...  runs the command in the node's namespace, and is replaced by it
    network.py tell DIR COMMAND...      changes the network while it runs:
        set A B KEY=VALUE...            packets from A to B and back; `A>B` is one direction only:
                                        loss=0.2 (share of packets), delay_ms=50, rate=200000 (bytes a second), cut=1
        heal                            all links are good again
        counts                          packets forwarded and dropped so far
    network.py stop DIR                 takes all of it away

Each namespace has one TUN device, the other end of which is this process: every IP packet between two nodes goes through it.
So it needs neither netem nor a bridge of the kernel, only root, /dev/net/tun and iproute2. Losses are seeded: the same packets
would be lost again, if the same packets came.
"""

import ctypes
import errno
import fcntl
import heapq
import os
import random
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 1, 0x1000
MTU = 1500
NETWORK = "10.97.0."
# What waits in one direction for its time; more is dropped, as a router's buffer does.
WAITING_MAX_BYTES = 1 << 19
PACKETS_A_TURN = 64
START_SECONDS = 20


def ip(*words):
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")


class Link:
    """One direction between two nodes."""

    def __init__(self):
        self.loss = 0.0
        self.delay = 0.0
        self.rate = None
        self.cut = False
        self.free_at = 0.0
        self.waiting = 0

    def set(self, key, value):
        if key == "loss" and 0 <= float(value) <= 1:
            self.loss = float(value)
        elif key == "delay_ms" and float(value) >= 0:
            self.delay = float(value) / 1000
        elif key == "rate" and float(value) > 0:
            self.rate = float(value)
        elif key == "cut" and value in ("0", "1"):
            self.cut = value == "1"
        else:
            raise ValueError(f"{key}={value}: loss is 0 to 1, delay_ms at least 0, rate in bytes above 0, cut 0 or 1")


class Switch:
    """Forwards packets between TUN devices by their destination."""

    def __init__(self, nodes, seed):
        self.nodes = nodes
        self.coin = random.Random(seed)
        self.devices = {}
        self.links = {}
        self.later = []
        self.order = 0
        self.forwarded = self.dropped = 0
        self.heal()

    def heal(self):
        """What waits goes on: it is on the wire already."""
        fresh = {(a, b): Link() for a in self.nodes for b in self.nodes if a != b}
        for pair, link in fresh.items():
            link.waiting = self.links[pair].waiting if pair in self.links else 0
        self.links = fresh

    def attach(self, node, namespace):
        """The device is made here and moved: this end stays."""
        device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        name = f"er{os.getpid()}{self.nodes.index(node)}"[:15]
        fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
        ip("link", "set", name, "netns", namespace)
        ip("-n", namespace, "link", "set", name, "name", "net0", "mtu", str(MTU))
        ip("-n", namespace, "addr", "add", f"{address(self.nodes, node)}/24", "dev", "net0")
        ip("-n", namespace, "link", "set", "net0", "up")
        ip("-n", namespace, "link", "set", "lo", "up")
        self.devices[node] = device

    def arrived(self, source, now):
        for _ in range(PACKETS_A_TURN):
            try:
                packet = os.read(self.devices[source], 1 << 16)
            except BlockingIOError:
                return
            self.forward(source, packet, now)

    def forward(self, source, packet, now):
        # IPv6 (neighbour discovery) and what is for nobody here.
        target = packet[19] - 1 if len(packet) >= 20 and packet[0] >> 4 == 4 else -1
        if not 0 <= target < len(self.nodes) or self.nodes[target] == source:
            return
        target = self.nodes[target]
        link = self.links[source, target]
        if link.cut or (link.loss and self.coin.random() < link.loss) or link.waiting + len(packet) > WAITING_MAX_BYTES:
            self.dropped += 1
            return
        due = now + link.delay
        if link.rate:
            link.free_at = max(link.free_at, now) + len(packet) / link.rate
            due = link.free_at + link.delay
        # Nothing overtakes what waits already.
        if due > now or link.waiting:
            link.waiting += len(packet)
            self.order += 1
            heapq.heappush(self.later, (due, self.order, source, target, packet))
        else:
            self.write(target, packet)

    def write(self, target, packet):
        try:
            os.write(self.devices[target], packet)
            self.forwarded += 1
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EIO, errno.ENOBUFS):
                raise
            self.dropped += 1

    def release(self, now):
        """Sends what is due; seconds until there is more to do."""
        while self.later and self.later[0][0] <= now:
            _, _, source, target, packet = heapq.heappop(self.later)
            link = self.links[source, target]
            link.waiting -= len(packet)
            if link.cut:
                self.dropped += 1
            else:
                self.write(target, packet)
        return self.later[0][0] - now if self.later else None

    def command(self, words):
        if words == ["heal"]:
            self.heal()
        elif words == ["counts"]:
            return f"forwarded {self.forwarded} dropped {self.dropped}"
        elif words[:1] == ["set"]:
            ends, changes = words[1:], []
            while ends and "=" in ends[-1]:
                changes.append(ends.pop())
            if len(ends) == 1 and ends[0].count(">") == 1:
                pairs = [tuple(ends[0].split(">"))]
            elif len(ends) == 2:
                pairs = [(ends[0], ends[1]), (ends[1], ends[0])]
            else:
                raise ValueError(f"'{' '.join(words)}': expected `set A B KEY=VALUE` or `set A>B KEY=VALUE`")
            for pair in pairs:
                if pair not in self.links:
                    raise ValueError(f"no link {pair[0]} to {pair[1]}; nodes are {' '.join(self.nodes)}")
                for change in changes:
                    self.links[pair].set(*change.split("=", 1))
        else:
            raise ValueError(f"unknown command '{' '.join(words)}': set, heal or counts")
        return "ok"

    def run(self, control):
        selector = selectors.DefaultSelector()
        selector.register(control, selectors.EVENT_READ, None)
        for node, device in self.devices.items():
            selector.register(device, selectors.EVENT_READ, node)
        wait = None
        while True:
            for key, _ in selector.select(wait):
                if key.data is None:
                    self.answer(control)
                else:
                    self.arrived(key.data, time.monotonic())
            wait = self.release(time.monotonic())

    def answer(self, control):
        peer, _ = control.accept()
        with peer:
            peer.settimeout(5)
            try:
                reply = self.command(peer.recv(4096).decode("ascii", "replace").split())
            except (ValueError, OSError) as error:
                reply = f"refused: {error}"
            try:
                peer.sendall(reply.encode())
            except OSError:
                pass


def address(nodes, node):
    return NETWORK + str(nodes.index(node) + 1)


def nodes_of(directory):
    with open(f"{directory}/network.nodes") as file:
        return file.read().split()


def namespace_of(directory, node):
    with open(f"{directory}/network.prefix") as file:
        return file.read().strip() + node


def start(directory, nodes):
    os.makedirs(directory, exist_ok=True)
    if len(set(nodes)) != len(nodes) or not 0 < len(nodes) < 250:
        raise ValueError(f"nodes have to be different, 1 to 249 of them: {' '.join(nodes)}")
    with open(f"{directory}/network.nodes", "w") as file:
        file.write(" ".join(nodes))
    with open(f"{directory}/network.prefix", "w") as file:
        file.write(f"er{os.getpid()}-")
    for node in nodes:
        ip("netns", "add", namespace_of(directory, node))
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.close(reader)
        serve(directory, nodes, writer)
    os.close(writer)
    with os.fdopen(reader) as ready:
        said = ready.read()
    if said != "ready":
        stop(directory)
        raise RuntimeError(said or f"the switch did not start, see {directory}/network.out")


def serve(directory, nodes, ready):
    os.setsid()
    out = os.open(f"{directory}/network.out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    null = os.open("/dev/null", os.O_RDONLY)
    for source, target in ((null, 0), (out, 1), (out, 2)):
        os.dup2(source, target)
    try:
        switch = Switch(nodes, int(os.environ.get("SEED", "1")))
        for node in nodes:
            switch.attach(node, namespace_of(directory, node))
        control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        control.bind(f"{directory}/network.control")
        control.listen(8)
        with open(f"{directory}/network.pid", "w") as file:
            file.write(str(os.getpid()))
    except Exception as error:  # whoever started it has to be told, whatever it is
        os.write(ready, str(error).encode())
        os._exit(1)
    os.write(ready, b"ready")
    os.close(ready)
    switch.run(control)


def tell(directory, words):
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    peer.settimeout(START_SECONDS)
    peer.connect(f"{directory}/network.control")
    peer.sendall(" ".join(words).encode())
    reply = peer.recv(4096).decode()
    if reply.startswith("refused"):
        raise RuntimeError(reply)
    print(reply)


def run(directory, node, command):
    """Only the network: `ip netns exec` would mount a /sys of its own as well, which some containers do not let it."""
    if node not in nodes_of(directory):
        raise ValueError(f"no node {node}; nodes are {' '.join(nodes_of(directory))}")
    namespace = os.open(f"/run/netns/{namespace_of(directory, node)}", os.O_RDONLY)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, 0x40000000) != 0:
        raise OSError(ctypes.get_errno(), f"setns to the namespace of {node}")
    os.close(namespace)
    os.execvp(command[0], command)


def stop(directory):
    try:
        with open(f"{directory}/network.pid") as file:
            os.kill(int(file.read()), signal.SIGKILL)
    except (OSError, ValueError):
        pass
    for name in ("pid", "control"):
        try:
            os.unlink(f"{directory}/network.{name}")
        except OSError:
            pass
    if os.path.exists(f"{directory}/network.nodes"):
        for node in nodes_of(directory):
            subprocess.run(["ip", "netns", "del", namespace_of(directory, node)], capture_output=True)


def why_not():
    if os.geteuid() != 0:
        return "root is needed to make network namespaces"
    if shutil.which("ip") is None:
        return "ip (iproute2) is missing"
    if not os.path.exists("/dev/net/tun"):
        return "/dev/net/tun is missing (a container needs --device /dev/net/tun --cap-add NET_ADMIN --cap-add SYS_ADMIN)"
    # All of it once: capabilities and kernel options cannot be told otherwise.
    directory = tempfile.mkdtemp(prefix="eruca-net.")
    try:
        start(directory, ["x", "y"])
        probe = [sys.executable, os.path.abspath(__file__), "run", directory, "x", sys.executable, "-c",
                 "import socket; s = socket.socket(); s.settimeout(5)\n"
                 f"try: s.connect(('{NETWORK}2', 9))\nexcept ConnectionRefusedError: print('refused')"]
        done = subprocess.run(probe, capture_output=True, text=True)
        if done.stdout.strip() != "refused":
            return f"no packet goes from namespace to namespace: {done.stderr.strip().splitlines()[-1:]}"
    except (OSError, RuntimeError) as error:
        return str(error)
    finally:
        stop(directory)
        shutil.rmtree(directory, ignore_errors=True)
    return None


def main(words):
    if words[:1] == ["why-not"]:
        lacking = why_not()
        if lacking:
            print(lacking)
            return 1
        return 0
    if len(words) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    command, directory, rest = words[0], os.path.abspath(words[1]), words[2:]
    try:
        if command == "start" and rest:
            start(directory, rest)
        elif command == "address" and len(rest) == 1:
            print(address(nodes_of(directory), rest[0]))
        elif command == "run" and len(rest) >= 2:
            run(directory, rest[0], rest[1:])
        elif command == "tell" and rest:
            tell(directory, rest)
        elif command == "stop":
            stop(directory)
        else:
            print(__doc__, file=sys.stderr)
            return 2
    except (OSError, RuntimeError, ValueError) as error:
        print(f"network.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
