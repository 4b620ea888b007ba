# SPDX-License-Identifier: Apache-2.0
"""Three brokers of Apache Kafka on loopback with a controller of their own, so that any one or two of them can be killed,
frozen and started again while topics keep being led.  Small heaps: 4 processes of about 150 MB."""
import concurrent.futures
import contextlib
import pathlib
import re
import signal
import subprocess
import time

import kafka_broker

BROKERS = (1, 2, 3)
CONTROLLER = 9
COMMON = """
controller.quorum.voters=9@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CLIENT:PLAINTEXT,INNER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=INNER
default.replication.factor=3
min.insync.replicas=2
unclean.leader.election.enable=false
auto.create.topics.enable=false
offsets.topic.replication.factor=3
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=3
share.coordinator.state.topic.min.isr=2
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=4194304
broker.session.timeout.ms=5000
broker.heartbeat.interval.ms=500
replica.lag.time.max.ms=5000
leader.imbalance.check.interval.seconds=3600
num.network.threads=1
num.io.threads=2
"""


class Node(kafka_broker.Broker):
    """One process of the cluster.  Its ports stay the same for its life."""

    def __init__(self, number, directory, common, cluster, heap):
        self.number, self.directory, self.heap = number, pathlib.Path(directory), heap
        self.directory.mkdir()
        self.jars = kafka_broker.lib(kafka_broker.VERSION)
        self.process = None
        self.config = self.directory / "server.properties"
        self.port, self.inner = kafka_broker.free_port(), kafka_broker.free_port()
        self.address, self.inner_address = f"127.0.0.1:{self.port}", f"127.0.0.1:{self.inner}"
        if number == CONTROLLER:
            port = re.search(r"9@127.0.0.1:(\d+)", common).group(1)
            mine = f"process.roles=controller\nlisteners=CONTROLLER://127.0.0.1:{port}\n"
        else:
            places = f"CLIENT://{self.address},INNER://{self.inner_address}"
            mine = f"process.roles=broker\nlisteners={places}\nadvertised.listeners={places}\n"
        self.config.write_text(f"node.id={number}\nlog.dirs={self.directory}/logs\n{mine}{common}")
        subprocess.run(["java", "-Xmx64m", "-XX:TieredStopAtLevel=1", "-cp", f"{self.jars}/*", "kafka.tools.StorageTool", "format",
                        "-t", cluster, "-c", str(self.config)], capture_output=True, check=True)

    def launch(self):
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(
                [*kafka_broker.WITH_US, "java", "-Xms48m", f"-Xmx{self.heap}m", "-XX:+UseSerialGC",
                 "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{self.jars}/*", "kafka.Kafka",
                 str(self.config)], stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def start(self):
        self.launch()
        deadline = time.monotonic() + kafka_broker.START
        while subprocess.run(["kcat", "-L", "-b", self.inner_address, "-m", "2"], capture_output=True, check=False).returncode:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError(f"broker {self.number} did not start:\n{(self.directory / 'log').read_text()[-2000:]}")


class Cluster(kafka_broker.Broker):
    """All of them; what administers and reads one broker works with a cluster as well."""

    def __init__(self, directory, extra=""):
        directory = pathlib.Path(directory)
        common = COMMON.format(controller=kafka_broker.free_port()) + extra
        cluster = kafka_broker.cluster_id()
        with concurrent.futures.ThreadPoolExecutor() as pool:
            made = [pool.submit(Node, number, directory / str(number), common, cluster, 64 if number == CONTROLLER else 128)
                    for number in (CONTROLLER, *BROKERS)]
            self.controller, *self.nodes = [one.result() for one in made]
        self.address = ",".join(node.address for node in self.nodes)
        self.inner_address = ",".join(node.inner_address for node in self.nodes)

    def start(self):
        self.controller.launch()
        self.mend()

    def destroy(self):
        for node in [*self.nodes, self.controller]:
            node.kill()

    def mend(self):
        """Whatever a test has done to the brokers: all run again."""
        for node in self.nodes:
            if node.process and node.process.poll() is None:
                with contextlib.suppress(OSError):
                    node.process.send_signal(signal.SIGCONT)
            else:
                node.launch()
        deadline = time.monotonic() + kafka_broker.START
        while len(self.alive()) < len(self.nodes):
            if time.monotonic() > deadline:
                raise RuntimeError("the cluster did not mend")

    # ---- what it says of itself ---------------------------------------------------------------------

    def describe(self, *options):
        done = subprocess.run(["kcat", "-L", "-b", self.inner_address, "-m", "5", *options], capture_output=True, text=True,
                              check=False)
        return done.stdout

    def alive(self):
        return [int(number) for number in re.findall(r"^\s+broker (\d+) at", self.describe(), re.M)]

    def partition(self, topic, number=0):
        """(leader, replicas in sync) of a partition, as its cluster sees it; leader None: there is none."""
        found = re.search(rf"partition {number}, leader (-?\d+), replicas: [\d,]*, isrs: ([\d,]*)", self.describe("-t", topic))
        if not found:
            return None, []
        leader = int(found.group(1))
        return (leader if leader > 0 else None), [int(one) for one in found.group(2).split(",") if one]

    def node(self, number):
        return next(node for node in self.nodes if node.number == number)

    def leader(self, topic, number=0):
        """The node that leads a partition."""
        deadline = time.monotonic() + kafka_broker.START
        while True:
            leader = self.partition(topic, number)[0]
            if leader:
                return self.node(leader)
            if time.monotonic() > deadline:
                raise RuntimeError(f"topic {topic} has no leader")
