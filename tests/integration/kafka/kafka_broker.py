# SPDX-License-Identifier: Apache-2.0
"""A real Apache Kafka broker (KRaft, one node), fetched once through Maven into build/."""
import base64
import contextlib
import fcntl
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
from leat_harness import places  # noqa: E402
from leat_harness.places import free_port  # noqa: E402
from leat_harness.wait import freeze  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[3]
VERSION = "4.3.1"
OLDER = "3.9.1"  # the last line that lets librdkafka before 2.6.1 in by SCRAM
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>leat</groupId><artifactId>kafka-broker</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>VERSION</version></dependency>
<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
</dependencies></project>
"""


def lib(version):
    return ROOT / "build" / f"kafka-broker-{version}" / "lib"


# Short lives: the second compiler's code would come too late.
JAVA = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
START = 180  # seconds; long, since a loaded machine is slow, and met within four on a good day
WITH_US = ["setpriv", "--pdeathsig", "KILL", "--"]  # whatever ends a test, no broker outlives it


def cluster_id():
    """Without a dash in front, which the tool takes for an option."""
    return base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=").replace("-", "a")


@contextlib.contextmanager
def alone(folder):
    """What is kept in the folder is made by one process at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def unavailable(version=VERSION):
    """Why there is no broker here; None: there is one."""
    jars = lib(version)
    for program in ("java", "kcat"):
        if not shutil.which(program):
            return f"{program} is not installed"

    def get():
        """All of them or none: what an interrupted run has left counts for nothing."""
        if not shutil.which("mvn"):
            raise places.Unavailable("mvn is not installed and the broker is not in build/")
        jars.parent.mkdir(parents=True, exist_ok=True)
        pom, new = jars.parent / "pom.xml", jars.with_name("lib.new")
        places.remove(new)
        pom.write_text(POM.replace("VERSION", version))
        places.ask_registry(["mvn", "-q", "-B", "-f", pom, "dependency:copy-dependencies", f"-DoutputDirectory={new}",
                             "-DincludeScope=runtime"], f"the broker {version}", 400)
        new.rename(jars)
    try:
        places.fetch(jars.parent, lambda: any(jars.glob("kafka_2.13-*.jar")), get)
    except places.Unavailable as reason:
        return str(reason)
    return None


class Broker:
    """One broker in `directory`.  start, kill, pause and resume may alternate."""

    def __init__(self, directory, extra="", scram=None, protocol="PLAINTEXT",
                 version=VERSION):
        self.directory = pathlib.Path(directory)
        self.jars = lib(version)
        self.port, self.inner, controller = free_port(), free_port(), free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.inner_address = f"127.0.0.1:{self.inner}"
        self.process = None
        self.config = self.directory / "server.properties"
        self.config.write_text(f"""
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=CLIENT://127.0.0.1:{self.port},INNER://127.0.0.1:{self.inner},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=CLIENT://127.0.0.1:{self.port},INNER://127.0.0.1:{self.inner}
listener.security.protocol.map=CLIENT:{protocol},INNER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=INNER
controller.listener.names=CONTROLLER
log.dirs={self.directory}/logs
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=4194304
auto.create.topics.enable=true
{extra}
""")
        if scram:
            self.format("--add-scram", scram)
            return
        # The same for every broker, and half of what a start takes: done once, and copied.
        formatted = self.jars.parent / "formatted"
        with alone(self.jars.parent):
            if not formatted.exists():
                self.format()
                shutil.rmtree(f"{formatted}.new", ignore_errors=True)
                shutil.copytree(self.directory / "logs", f"{formatted}.new")
                os.rename(f"{formatted}.new", formatted)
                return
        shutil.copytree(formatted, self.directory / "logs")

    def format(self, *more):
        subprocess.run([*JAVA, "-Xmx128m", "-cp", f"{self.jars}/*", "kafka.tools.StorageTool", "format", "-t", cluster_id(),
                        "-c", str(self.config), *more], capture_output=True, check=True)

    def start(self):
        # An archive of the classes it loads takes another half off; the first start makes it when it ends.
        archive = self.jars.parent / "classes.jsa"
        with contextlib.nullcontext() if archive.exists() else alone(self.jars.parent):
            if not archive.exists():
                self.launch(f"-XX:ArchiveClassesAtExit={archive}.new")
                self.process.terminate()
                self.process.wait(START)
                with contextlib.suppress(FileNotFoundError):
                    os.rename(f"{archive}.new", archive)
        self.launch(f"-XX:SharedArchiveFile={archive}")

    def launch(self, *more):
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(
                [*WITH_US, *JAVA, "-Xms192m", "-Xmx192m", *more, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp",
                 f"{self.jars}/*", "kafka.Kafka", str(self.config)], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + START
        while subprocess.run(["kcat", "-L", "-b", self.inner_address, "-m", "2"],
                             capture_output=True, check=False).returncode != 0:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError("the broker did not start: see " + str(self.directory / "log"))

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def pause(self):
        freeze(self.process.pid)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def create(self, topic, partitions=1, replicas=1, **settings):
        """Makes a topic; settings with _ for the dots of their names."""
        self.administer("create", topic, partitions, replicas,
                        *(f"{name.replace('_', '.')}={value}" for name, value in settings.items()))

    def grow(self, topic, partitions):
        self.administer("grow", topic, partitions)

    def delete(self, topic):
        self.administer("delete", topic)

    def administer(self, *words):
        done = subprocess.run([built("kafka_admin"), self.inner_address, *map(str, words)], capture_output=True, text=True,
                              timeout=START, check=False)
        if done.returncode:
            raise RuntimeError(f"kafka_admin {words}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def setting(self, topic, name):
        return self.administer("setting", topic, name)

    def allow(self, topic, user):
        self.administer("allow", topic, user)

    def deny(self, topic, user):
        self.administer("deny", topic, user)

    def topics(self):
        out = subprocess.run(["kcat", "-L", "-b", self.inner_address, "-m", "60"], capture_output=True, text=True,
                             check=True).stdout
        return [line.split('"')[1] for line in out.splitlines() if line.strip().startswith('topic "')]

    def read(self, topic, isolation="read_committed"):
        """(partition, offset, leat-id) of every record."""
        if isolation == "read_committed":
            settle(self.inner_address, topic)
        out = subprocess.run(
            ["kcat", "-C", "-e", "-q", "-m", "60", "-b", self.inner_address, "-t", topic, "-X",
             f"isolation.level={isolation}", "-f", "%p %o %h\n"],
            capture_output=True, text=True, check=True).stdout
        seen = []
        for line in out.splitlines():
            partition, offset, headers = line.split(" ", 2)
            seen.append((int(partition), int(offset), headers.split("leat-id=", 1)[1].split(",")[0]))
        return seen


def settle(address, topic):
    """A commit is answered before readers of what is committed see it: all that the topic holds now is waited for, within
    limits, because a transaction may also be left open."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run([built("kafka_admin"), address, "settle", topic], timeout=15, check=False)


def built(program):
    """A program of the build under test (LEAT_BUILD, build/release by default)."""
    return (ROOT / os.environ.get("LEAT_BUILD", "build/release")).resolve() / "tests" / program


def find_drive():
    """The driver of the sink; None: it is not built."""
    return str(built("kafka_drive")) if built("kafka_drive").exists() else None
