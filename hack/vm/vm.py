#!/usr/bin/env python3
"""Run a command in a QEMU guest that has cgroup v2, and optionally systemd.

Everything comes from Debian packages: the kernel, and for the image root the
whole user space, from the mirror that this host's apt uses. See README.md, or
`vm.py run --help`.
"""

import argparse
import ctypes
import fcntl
import functools
import glob
import hashlib
import lzma
import os
import re
import selectors
import shlex
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
GUEST = os.path.join(HERE, "guest")

RC_TIMEOUT = 124  # as timeout(1)
RC_VM = 125  # the guest itself failed, not the command

DEFAULT_KERNEL = os.environ.get("VM_KERNEL", "trixie")
DEFAULT_SUITE = os.environ.get("VM_SUITE", "trixie")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

# What the host needs: a file or command, and the package that has it.
TOOLS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "busybox": "busybox-static",
    "depmod": "kmod",
    "zstd": "zstd",
    "mke2fs": "e2fsprogs",
    "unshare": "util-linux",
    "dpkg-deb": "dpkg",
}
IMAGE_TOOLS = {"mmdebstrap": "mmdebstrap"}
VIRTIOFSD = ["/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd"]

PACKAGES = (
    "systemd systemd-sysv dbus dbus-user-session libpam-systemd uidmap "
    "procps iproute2 kmod util-linux mount login passwd e2fsprogs attr "
    "busybox-static apparmor crun runc criu libcriu2 iptables nftables "
    "jq strace gdb-minimal libseccomp2 "
    "selinux-policy-default policycoreutils selinux-utils keyutils"
).split()

# Modules that the initramfs loads, where the kernel has them as modules.
BOOT_MODULES = "virtio_pci virtio_console virtio_blk ext4 virtiofs overlay".split()

# Units that cost time under emulation and that no test needs.
MASK = (
    "systemd-udevd.service systemd-udev-trigger.service systemd-udevd-control.socket "
    "systemd-udevd-kernel.socket systemd-hwdb-update.service systemd-timesyncd.service "
    "systemd-update-done.service systemd-journal-catalog-update.service "
    "systemd-machine-id-commit.service systemd-random-seed.service "
    "systemd-journal-flush.service systemd-firstboot.service systemd-sysusers.service "
    "systemd-networkd.service systemd-resolved.service ldconfig.service "
    "systemd-update-utmp.service systemd-remount-fs.service systemd-binfmt.service "
    "systemd-sysctl.service systemd-modules-load.service kmod-static-nodes.service "
    "systemd-tmpfiles-setup-dev.service systemd-tmpfiles-setup-dev-early.service "
    "modprobe@configfs.service modprobe@drm.service modprobe@efi_pstore.service "
    "modprobe@fuse.service modprobe@dm_mod.service modprobe@loop.service "
    "run-lock.mount sys-kernel-tracing.mount dev-hugepages.mount sys-kernel-debug.mount sys-kernel-config.mount "
    "proc-sys-fs-binfmt_misc.automount sys-fs-fuse-connections.mount "
    "apparmor.service nftables.service e2scrub_reap.service "
    "apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer "
    "fstrim.timer systemd-tmpfiles-clean.timer "
    "systemd-ask-password-console.path systemd-ask-password-wall.path "
    "getty.target serial-getty@ttyS0.service getty@tty1.service"
).split()

CMDLINE = (
    "console=ttyS0 quiet panic=-1 oops=panic mitigations=off nokaslr "
    "random.trust_cpu=on tsc=reliable nowatchdog cryptomgr.notests "
    "rcupdate.rcu_expedited=1 8250.nr_uarts=1 i8042.noaux i8042.nokbd audit=0 "
    "initcall_blacklist=load_system_certificate_list "
    "cgroup_no_v1=all swapaccount=1"
)

VERBOSE = False


def note(msg):
    print(f"vm: {msg}", file=sys.stderr, flush=True)


def debug(msg):
    if VERBOSE:
        note(msg)


class VmError(Exception):
    """The guest could not be made, started, or heard from."""


# --- the cache ------------------------------------------------------------


def cache_dir():
    path = os.environ.get("VM_CACHE")
    if not path:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        path = os.path.join(base, "lodge-vm")
    os.makedirs(path, exist_ok=True)
    return os.path.abspath(path)


class Lock:
    """One builder at a time; a second one waits and then finds the result."""

    def __init__(self, name):
        self.path = os.path.join(cache_dir(), f".{name}.lock")

    def __enter__(self):
        self.file = open(self.path, "w")
        fcntl.flock(self.file, fcntl.LOCK_EX)

    def __exit__(self, *exc):
        self.file.close()


def call(cmd, timeout=900, **kw):
    debug("$ " + shlex.join(cmd))
    try:
        done = subprocess.run(
            cmd, timeout=timeout, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kw)
    except (OSError, subprocess.TimeoutExpired) as e:
        raise VmError(f"{cmd[0]}: {e}") from e
    out = done.stdout.decode(errors="replace")
    if done.returncode:
        raise VmError(f"{shlex.join(cmd)}: exit {done.returncode}\n{out[-3000:]}")
    return out


def find_virtiofsd():
    for path in [os.environ.get("VM_VIRTIOFSD", "")] + VIRTIOFSD:
        if path and os.access(path, os.X_OK):
            return path
    return None


def need(tools):
    """Install the Debian packages that are missing."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    os.environ["PATH"] = path
    missing = sorted({p for t, p in tools.items() if not shutil.which(t, path=path)})
    if not find_virtiofsd():
        # bookworm has it in qemu-system-common, later releases on its own
        missing.append("qemu-system-common")
    if not os.path.exists(KEYRING):
        missing.append("debian-archive-keyring")
    if not missing:
        return
    if os.geteuid() != 0:
        raise VmError("missing packages: " + " ".join(missing))
    note("installing " + " ".join(missing))
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    install = ["apt-get", "install", "-y", "--no-install-recommends"]
    with Lock("apt-host"):
        call(["apt-get", "update"], env=env)
        call(install + missing, env=env)
        if not find_virtiofsd():
            call(install + ["virtiofsd"], env=env)
    if not find_virtiofsd():
        raise VmError("no virtiofsd")


# --- the kernel -----------------------------------------------------------


@functools.cache
def mirror():
    """Where this host's apt gets Debian from."""
    if os.environ.get("VM_MIRROR"):
        return os.environ["VM_MIRROR"]
    out = call(["apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)"])
    for line in out.splitlines():
        fields = line.split()
        # Not Debian-Security, and not another party's packages.
        if len(fields) == 3 and fields[:2] == ["Debian", "Debian"]:
            return fields[2].rstrip("/")
    raise VmError("apt knows no Debian mirror: run apt-get update, or set VM_MIRROR")


def apt_args(suite):
    """apt with sources and lists of its own, so the system's stay as they are."""
    base = os.path.join(cache_dir(), f"apt-{suite}")
    for d in ("lists/partial", "archives/partial", "empty"):
        os.makedirs(os.path.join(base, d), exist_ok=True)
    sources = os.path.join(base, "sources.list")
    with open(sources, "w") as f:
        f.write(f"deb [arch=amd64 signed-by={KEYRING}] {mirror()} {suite} main\n")
    return [
        "-o", f"Dir::Etc::SourceList={sources}",
        "-o", f"Dir::Etc::SourceParts={base}/empty",
        "-o", f"Dir::Etc::Preferences={base}/none",
        "-o", f"Dir::Etc::PreferencesParts={base}/empty",
        "-o", f"Dir::State::Lists={base}/lists",
        "-o", f"Dir::Cache={base}",
        "-o", "APT::Sandbox::User=root",
        "-o", "Acquire::Languages=none",
        "-o", "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
        "-o", "Acquire::Retries=3",
    ]


def kernel_packages(apt):
    """The versioned packages that a suite's linux-image-cloud-amd64 pulls in."""
    want, todo = [], ["linux-image-cloud-amd64"]
    while todo:
        pkg = todo.pop()
        out = call(["apt-cache"] + apt + ["--no-all-versions", "show", pkg])
        for line in out.splitlines():
            if not line.startswith(("Depends:", "Pre-Depends:")):
                continue
            for dep in re.findall(r"linux-(?:image|binary|modules)-[0-9][^ ,()|]*", line):
                if dep not in want:
                    want.append(dep)
                    todo.append(dep)
    if not want:
        raise VmError("linux-image-cloud-amd64 names no kernel package")
    return want


def extract_vmlinux(bzimage, out):
    """Unpack the ELF image: QEMU boots it by its PVH entry, and the guest is
    spared the decompression."""
    with open(bzimage, "rb") as f:
        data = f.read()
    setup = data[0x1F1] or 4
    offset, length = struct.unpack_from("<II", data, 0x248)
    start = (setup + 1) * 512 + offset
    payload = data[start:start + length]
    if payload.startswith(b"\x28\xb5\x2f\xfd"):
        elf = subprocess.run(["zstd", "-dcq"], input=payload[:-4],
                             stdout=subprocess.PIPE, check=True).stdout
    elif payload.startswith(b"\xfd7zXZ\0"):
        elf = lzma.decompress(payload[:-4])
    elif payload.startswith(b"\x02\x21\x4c\x18"):
        need({"lz4": "lz4"})
        elf = subprocess.run(["lz4", "-dcq"], input=payload[:-4],
                             stdout=subprocess.PIPE, check=True).stdout
    else:
        raise VmError(f"{bzimage}: unknown compression {payload[:6].hex()}")
    if not elf.startswith(b"\x7fELF"):
        raise VmError(f"{bzimage}: not an ELF image inside")
    with open(out, "wb") as f:
        f.write(elf)


def kernel(suite, rebuild=False):
    """Folder with vmlinux, release and modules/ of the suite's cloud kernel."""
    final = os.path.join(cache_dir(), f"kernel-{suite}")
    if os.path.exists(os.path.join(final, "release")) and not rebuild:
        return final
    with Lock(f"kernel-{suite}"):
        if os.path.exists(os.path.join(final, "release")) and not rebuild:
            return final
        note(f"fetching the kernel of {suite}")
        apt = apt_args(suite)
        call(["apt-get"] + apt + ["update"])
        tmp = tempfile.mkdtemp(prefix=f".kernel-{suite}-", dir=cache_dir())
        try:
            root = os.path.join(tmp, "root")
            os.mkdir(root)
            call(["apt-get"] + apt + ["download"] + kernel_packages(apt), cwd=tmp)
            for deb in glob.glob(os.path.join(tmp, "*.deb")):
                call(["dpkg-deb", "-x", deb, root])
                os.unlink(deb)
            bz = (glob.glob(f"{root}/boot/vmlinuz-*")
                  + glob.glob(f"{root}/usr/lib/modules/*/vmlinuz"))
            mods = (glob.glob(f"{root}/lib/modules/*")
                    + glob.glob(f"{root}/usr/lib/modules/*"))
            if len(bz) != 1 or len(mods) != 1:
                raise VmError(f"unexpected kernel package contents: {bz} {mods}")
            release = os.path.basename(mods[0])
            extract_vmlinux(bz[0], os.path.join(tmp, "vmlinux"))
            # depmod wants lib/modules below its base
            os.makedirs(os.path.join(tmp, "lib/modules"))
            os.rename(mods[0], os.path.join(tmp, "lib/modules", release))
            call(["depmod", "-b", tmp, release])
            os.rename(os.path.join(tmp, "lib/modules"), os.path.join(tmp, "modules"))
            shutil.rmtree(root)
            with open(os.path.join(tmp, "release"), "w") as f:
                f.write(release + "\n")
            if os.path.exists(final):
                os.rename(final, tempfile.mkdtemp(prefix=".old-", dir=cache_dir()) + "/k")
            os.rename(tmp, final)
            os.chmod(final, 0o755)
        finally:
            shutil.rmtree(tmp, ignore_errors=True)
            for old in glob.glob(os.path.join(cache_dir(), ".old-*")):
                shutil.rmtree(old, ignore_errors=True)
    return final


def boot_modules(kdir):
    """(name, content) of the modules to load in the initramfs, in order."""
    with open(os.path.join(kdir, "release")) as f:
        release = f.read().strip()
    base = os.path.join(kdir, "modules", release)
    deps, paths = {}, {}
    with open(os.path.join(base, "modules.dep")) as f:
        for line in f:
            mod, _, rest = line.strip().partition(":")
            name = os.path.basename(mod).split(".ko")[0].replace("-", "_")
            paths[name] = mod
            deps[mod] = rest.split()
    order = []
    for name in BOOT_MODULES:
        mod = paths.get(name)
        if mod:
            for m in list(reversed(deps[mod])) + [mod]:
                if m not in order:
                    order.append(m)
    result = []
    for mod in order:
        with open(os.path.join(base, mod), "rb") as f:
            data = f.read()
        name = os.path.basename(mod)
        if name.endswith(".xz"):
            data, name = lzma.decompress(data), name[:-3]
        elif name.endswith(".zst"):
            data = subprocess.run(["zstd", "-dcq"], input=data,
                                  stdout=subprocess.PIPE, check=True).stdout
            name = name[:-4]
        result.append((name, data))
    return result


# --- images ---------------------------------------------------------------


def make_ext4(path, size, src=None):
    with open(path, "wb") as f:
        f.truncate(size)
    cmd = ["mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal,^metadata_csum",
           "-m", "0", "-E", "root_owner=0:0,nodiscard"]
    if src:
        cmd += ["-d", src]
    call(cmd + [path])


def image(suite, extra, rebuild=False):
    """Raw ext4 with a minimal Debian; guests write to snapshots of it."""
    packages = sorted(set(PACKAGES + extra))
    if suite == "bookworm":
        packages = [p for p in packages if p not in ("gdb-minimal", "libcriu2")]
    key = hashlib.sha256(" ".join([suite, mirror()] + packages).encode()).hexdigest()[:12]
    final = os.path.join(cache_dir(), f"image-{suite}-{key}.ext4")
    if os.path.exists(final) and not rebuild:
        return final
    need(IMAGE_TOOLS)
    if os.geteuid() != 0:
        raise VmError("building an image needs root")
    with Lock(f"image-{key}"):
        if os.path.exists(final) and not rebuild:
            return final
        note(f"building the {suite} image")
        tmp = tempfile.mkdtemp(prefix=".image-", dir=cache_dir())
        try:
            os.chmod(tmp, 0o755)
            root = os.path.join(tmp, "root")
            call(["mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory",
                  "--architectures=amd64", "--include=" + ",".join(packages),
                  "--aptopt=Acquire::Languages \"none\"",
                  "--dpkgopt=path-exclude=/usr/share/man/*",
                  "--dpkgopt=path-exclude=/usr/share/doc/*",
                  "--dpkgopt=path-exclude=/usr/share/locale/*",
                  "--dpkgopt=force-unsafe-io",
                  suite, root, f"deb [signed-by={KEYRING}] {mirror()} {suite} main"],
                 timeout=1800)
            for d in ("var/lib/apt/lists", "var/cache/apt"):
                shutil.rmtree(os.path.join(root, d), ignore_errors=True)
            img = os.path.join(tmp, "img")
            make_ext4(img, 8 << 30, root)
            os.rename(img, final)
        finally:
            shutil.rmtree(tmp, ignore_errors=True)
    return final


def scratch_disk(size):
    final = os.path.join(cache_dir(), f"scratch-{size}.ext4")
    if not os.path.exists(final):
        with Lock("scratch"):
            tmp = final + ".tmp"
            make_ext4(tmp, size)
            os.rename(tmp, final)
    return final


# --- the initramfs --------------------------------------------------------


class Cpio:
    """Writer of the newc format."""

    def __init__(self):
        self.parts, self.ino, self.dirs = [], 0, set()

    def _add(self, name, mode, data=b""):
        self.ino += 1
        name = name.encode() + b"\0"
        head = b"070701" + b"".join(b"%08X" % v for v in (
            self.ino, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0))
        for part in (head + name, data):
            self.parts.append(part + b"\0" * (-len(part) % 4))

    def dir(self, name):
        if name and name not in self.dirs:
            self.dir(os.path.dirname(name))
            self.dirs.add(name)
            self._add(name, stat.S_IFDIR | 0o755)

    def file(self, name, data, mode=0o755):
        self.dir(os.path.dirname(name))
        self._add(name, stat.S_IFREG | mode, data)

    def tree(self, name, src):
        for entry in sorted(os.scandir(src), key=lambda e: e.name):
            if entry.is_dir():
                self.dir(f"{name}/{entry.name}")
                self.tree(f"{name}/{entry.name}", entry.path)
            else:
                with open(entry.path, "rb") as f:
                    self.file(f"{name}/{entry.name}", f.read(), 0o644)

    def bytes(self):
        self._add("TRAILER!!!", 0)
        return b"".join(self.parts)


def initramfs(args, kdir, shares):
    c = Cpio()
    with open(shutil.which("busybox"), "rb") as f:
        busybox = f.read()
    c.file("vm/busybox", busybox)
    for name in ("pid1", "agent", "pam"):
        with open(os.path.join(GUEST, name), "rb") as f:
            c.file(f"vm/{name}", f.read())
    with open(os.path.join(GUEST, "init"), "rb") as f:
        c.file("init", f.read())
    c.dir("vm/units")
    c.tree("vm/units", os.path.join(GUEST, "units"))
    order = []
    for name, data in boot_modules(kdir):
        c.file(f"vm/modules/{name}", data, 0o644)
        order.append(name + "\n")
    c.file("vm/modules/order", "".join(order).encode(), 0o644)
    c.file("vm/shares", "".join(
        f"{n}\t{s['kind']}\t{s['mode']}\t{s['dst']}\n" for n, s in enumerate(shares)
    ).encode(), 0o644)
    config = {
        "VM_FLAVOUR": args.flavour,
        "VM_ROOT": args.root,
        "VM_SCRATCH": "vdb" if args.root == "image" else "vda",
        "VM_LSM": args.lsm,
        "VM_AS_USER": "1" if args.user else "0",
        "VM_UID": "1000",
        "VM_STDIN": "1" if args.stdin else "0",
        "VM_MASK": " ".join(u for u in MASK if u not in args.unmask),
    }
    c.file("vm/config", "".join(
        f"{k}={shlex.quote(v)}\n" for k, v in config.items()).encode(), 0o644)
    lines = [f"export {k}={shlex.quote(v)}\n" for k, v in args.env]
    if args.cwd:
        lines.append(f"cd {shlex.quote(args.cwd)} || exit 126\n")
    lines.append("exec " + shlex.join(args.command) + "\n")
    c.file("vm/cmd", "".join(lines).encode(), 0o644)
    return c.bytes()


# --- processes ------------------------------------------------------------


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def spawn(cmd, **kw):
    debug("$ " + shlex.join(cmd))
    return subprocess.Popen(cmd, preexec_fn=die_with_parent, start_new_session=True, **kw)


def stop(procs):
    for p in procs:
        if p.poll() is None:
            p.kill()
    for p in procs:
        try:
            p.wait(10)
        except subprocess.TimeoutExpired:
            note(f"process {p.pid} does not end")


def virtiofsd(tmp, tag, entries, cache):
    """Serve one folder assembled from bind mounts in a mount namespace of its
    own; read-only entries are read-only for the server too."""
    base = os.path.join(tmp, tag)
    os.mkdir(base)
    sock = os.path.join(tmp, tag + ".sock")
    log = os.path.join(tmp, tag + ".log")
    script = ["set -e", f"mount -t tmpfs -o mode=755 {tag} {base}"]
    for name, src, mode in entries:
        dst = shlex.quote(f"{base}/{name}")
        if os.path.isdir(src):
            script.append(f"mkdir -p {dst}")
        else:
            script.append(f": >{dst}")
        script.append(f"mount --bind {shlex.quote(os.path.realpath(src))} {dst}")
        if mode == "ro":
            script.append(f"mount -o remount,bind,ro {dst}")
    binary = find_virtiofsd()
    if binary.startswith("/usr/lib/qemu/"):
        opts = f"source={base},cache={cache},announce_submounts,xattr"
        cmd = [binary, "-f", f"--socket-path={sock}", "-o", opts, "--thread-pool-size=1"]
    else:
        cmd = [binary, f"--socket-path={sock}", f"--shared-dir={base}",
               f"--cache={cache}", "--announce-submounts", "--xattr"]
    script.append("exec " + shlex.join(cmd))
    with open(log, "wb") as f:
        proc = spawn(["unshare", "--mount", "--propagation", "private", "sh", "-c",
                      "\n".join(script)],
                     stdin=subprocess.DEVNULL, stdout=f, stderr=f)
    return proc, sock, log


def wait_socket(proc, sock, log):
    end = time.monotonic() + 20
    while not os.path.exists(sock):
        if proc.poll() is not None or time.monotonic() > end:
            with open(log, errors="replace") as f:
                raise VmError("virtiofsd did not start:\n" + f.read()[-2000:])
        time.sleep(0.005)


def accelerator(choice):
    if choice == "auto":
        # Other KVM back ends (nested ones without hardware support) cannot
        # run a stock kernel.
        hw = any(os.path.isdir(f"/sys/module/kvm_{v}") for v in ("intel", "amd"))
        choice = "kvm" if hw and os.access("/dev/kvm", os.R_OK | os.W_OK) else "tcg"
    if choice == "kvm":
        return ["-accel", "kvm", "-cpu", "host"]
    # One thread for all CPUs: with a thread for each, QEMU (7.2 and 10.0 seen)
    # may run a breakpoint that the kernel has already taken back while it
    # patches its code, and the guest panics with "Oops: int3". Five levels of
    # page tables would only cost time.
    return ["-accel", "tcg,thread=single", "-cpu", "max,la57=off"]


class Guest:
    """One run of QEMU with its helpers."""

    def __init__(self, args, tmp):
        self.args, self.tmp = args, tmp
        self.procs = []
        self.console = args.console or os.path.join(tmp, "console.log")
        self.start = self.status = None

    def launch(self):
        args, tmp = self.args, self.tmp
        kdir = kernel(args.kernel)
        drives = []
        if args.root == "image":
            drives.append(image(args.suite, args.package))
        drives.append(scratch_disk(args.disk << 20))

        with open(os.path.join(tmp, "initrd"), "wb") as f:
            f.write(initramfs(args, kdir, args.share))

        base = [("modules", os.path.join(kdir, "modules"), "ro")]
        if args.root == "host":
            base.append(("root", "/", "ro"))
        served = [("vmroot", base, "always")]
        if args.share:
            served.append(("vmshare", [
                (str(n), s["src"], s["mode"]) for n, s in enumerate(args.share)], "auto"))

        self.begin = time.monotonic()
        fs = []
        for tag, entries, cache in served:
            proc, sock, log = virtiofsd(tmp, tag, entries, cache)
            self.procs.append(proc)
            fs.append((tag, proc, sock, log))

        append = CMDLINE
        if args.lsm == "apparmor":
            append += " apparmor=1 security=apparmor"
        elif args.lsm == "selinux":
            append += " selinux=1 security=selinux enforcing=0"
        else:
            append += " apparmor=0 selinux=0"
        if args.flavour == "systemd":
            append += (" systemd.unit=vm.target systemd.show_status=no net.ifnames=0"
                       " systemd.unified_cgroup_hierarchy=1")
        append += " " + args.append

        cmd = [os.environ.get("VM_QEMU", "qemu-system-x86_64"),
               "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
               "-machine", "pc,memory-backend=mem"] + accelerator(args.accel) + [
               "-m", f"{args.memory}M", "-smp", str(args.cpus),
               "-object", f"memory-backend-memfd,id=mem,size={args.memory}M,share=on",
               "-kernel", os.path.join(kdir, "vmlinux"),
               "-initrd", os.path.join(tmp, "initrd"), "-append", append,
               "-chardev", f"file,id=con,path={self.console}", "-serial", "chardev:con"]
        for tag, proc, sock, log in fs:
            wait_socket(proc, sock, log)
            cmd += ["-chardev", f"socket,id={tag},path={sock}",
                    "-device", f"vhost-user-fs-pci,chardev={tag},tag={tag},queue-size=512"]
        for n, path in enumerate(drives):
            cmd += ["-drive", f"if=none,id=d{n},file={path},format=raw,snapshot=on,cache=unsafe",
                    "-device", f"virtio-blk-pci,drive=d{n}"]
        cmd += ["-device", "virtio-serial-pci"]
        self.socks, theirs = {}, []
        for name in ("ctl", "out", "err", "in"):
            mine, other = socket.socketpair()
            self.socks[name] = mine
            theirs.append(other)
            os.set_inheritable(other.fileno(), True)
            cmd += ["-chardev", f"socket,id={name},fd={other.fileno()}",
                    "-device", f"virtserialport,chardev={name},name=vm.{name}"]
        log = open(os.path.join(tmp, "qemu.log"), "wb")
        self.qemu = spawn(cmd, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                          pass_fds=[s.fileno() for s in theirs],
                          env=dict(os.environ, TMPDIR=tmp))
        self.procs.insert(0, self.qemu)
        log.close()
        for s in theirs:
            s.close()

    def control(self, line):
        word, _, rest = line.partition(" ")
        if word == "start":
            self.start = time.monotonic() - self.begin
            debug(f"command started after {self.start:.2f} s"
                  f" (guest uptime, kernel, state: {rest})")
        elif word == "status":
            self.status = int(rest)

    def relay(self):
        """Forward the streams until QEMU has ended; the exit status."""
        args = self.args
        sel = selectors.DefaultSelector()
        for name in ("ctl", "out", "err"):
            self.socks[name].setblocking(False)
            sel.register(self.socks[name], selectors.EVENT_READ, name)
        sinks = {"out": sys.stdout.buffer, "err": sys.stderr.buffer}
        pending, ctl, stdin_open = b"", b"", args.stdin
        if args.stdin:
            sel.register(sys.stdin.buffer.fileno(), selectors.EVENT_READ, "stdin")
        deadline = self.begin + args.boot_timeout
        booting, ending = True, False
        while sel.get_map() and any(k.data in ("ctl", "out", "err")
                                    for k in sel.get_map().values()):
            now = time.monotonic()
            if booting and self.start is not None:
                booting, deadline = False, now + args.timeout
            if self.status is not None and not ending:
                ending, deadline = True, now + 20
            if now >= deadline:
                if ending:
                    debug("the guest did not power off; stopped it")
                    break
                if booting:
                    raise VmError(f"no command started within {args.boot_timeout} s")
                raise TimeoutError
            for key, _ in sel.select(min(deadline - now, 1)):
                if key.data == "stdin":
                    data = os.read(key.fd, 65536)
                    sel.unregister(key.fd)
                    if data:
                        pending = data
                        self.socks["in"].setblocking(False)
                        sel.register(self.socks["in"], selectors.EVENT_WRITE, "in")
                    else:
                        stdin_open = False
                        self.socks["in"].shutdown(socket.SHUT_WR)
                    continue
                if key.data == "in":
                    try:
                        pending = pending[self.socks["in"].send(pending):]
                    except BlockingIOError:
                        continue
                    except OSError:
                        pending, stdin_open = b"", False
                    if not pending:
                        sel.unregister(key.fileobj)
                        if stdin_open:
                            sel.register(sys.stdin.buffer.fileno(),
                                         selectors.EVENT_READ, "stdin")
                    continue
                try:
                    data = key.fileobj.recv(65536)
                except BlockingIOError:
                    continue
                except ConnectionError:
                    data = b""
                if not data:
                    sel.unregister(key.fileobj)
                elif key.data == "ctl":
                    ctl += data
                    *lines, ctl = ctl.split(b"\n")
                    for line in lines:
                        self.control(line.decode(errors="replace"))
                else:
                    sink = sinks.get(key.data)
                    try:
                        if sink:
                            sink.write(data)
                            sink.flush()
                    except BrokenPipeError:
                        sinks[key.data] = None
        if self.status is None:
            raise VmError("the guest ended without an exit status")
        return self.status

    def tail(self, name, path, lines=25):
        try:
            with open(path, "rb") as f:
                text = f.read()[-8000:].decode(errors="replace")
        except OSError:
            return
        for line in text.splitlines()[-lines:]:
            note(f"{name}: {line.rstrip()}")

    def run(self):
        try:
            self.launch()
            rc = self.relay()
            debug(f"done after {time.monotonic() - self.begin:.2f} s, exit {rc}")
            return rc
        except TimeoutError:
            note(f"timeout: the command ran longer than {self.args.timeout} s")
            self.tail("console", self.console)
            return RC_TIMEOUT
        except VmError as e:
            note(f"error: {e}")
            self.tail("qemu", os.path.join(self.tmp, "qemu.log"))
            self.tail("console", self.console)
            return RC_VM
        finally:
            stop(self.procs)


# --- the command line -----------------------------------------------------


def parse_share(text):
    mode = "rw"
    if text.endswith((":ro", ":rw")):
        text, mode = text[:-3], text[-2:]
    src, sep, dst = text.partition(":")
    src = os.path.abspath(src)
    dst = dst if sep else src
    if not os.path.exists(src):
        raise argparse.ArgumentTypeError(f"{src}: no such file or folder")
    if not dst.startswith("/") or "\n" in dst or "\t" in dst:
        raise argparse.ArgumentTypeError(f"{dst}: not an absolute path")
    return {"src": src, "dst": os.path.normpath(dst), "mode": mode,
            "kind": "dir" if os.path.isdir(src) else "file"}


def parse_env(text):
    key, sep, value = text.partition("=")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key):
        raise argparse.ArgumentTypeError(f"{key}: not a variable name")
    return key, value if sep else os.environ.get(key, "")


def parse_mib(text):
    m = re.fullmatch(r"([0-9]+)([MmGg]?)i?[Bb]?", text)
    if not m or int(m[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text}: not a size (like 512M or 2G)")
    return int(m[1]) << (10 if m[2] in ("G", "g") else 0)


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("-v", "--verbose", action="store_true", help="say what is done and how long it took")
    sub = p.add_subparsers(dest="verb", required=True)

    def common(s):
        s.add_argument("-v", "--verbose", action="store_true", default=argparse.SUPPRESS,
                       help="say what is done and how long it took")
        s.add_argument("--flavour", choices=("fast", "systemd"), default="fast",
                       help="pid 1: a script of ours (default), or systemd")
        s.add_argument("--root", choices=("host", "image"),
                       help="root file system: the host's, read-only below a tmpfs "
                       "(default for fast), or a Debian image (always for systemd)")
        s.add_argument("--kernel", default=DEFAULT_KERNEL, metavar="SUITE",
                       help="Debian suite that the kernel comes from (default: %(default)s)")
        s.add_argument("--suite", default=DEFAULT_SUITE, metavar="SUITE",
                       help="Debian suite of the image (default: %(default)s)")
        s.add_argument("--package", action="append", default=[], metavar="NAME",
                       help="a further Debian package in the image; may be repeated")
        s.add_argument("--lsm", choices=("apparmor", "selinux", "none"), default="apparmor",
                       help="security module (default: %(default)s)")

    r = sub.add_parser("run", help="run a command in a guest")
    common(r)
    r.add_argument("--user", action="store_true",
                   help="run as uid 1000: with systemd in a login session, with fast "
                   "in a delegated cgroup")
    r.add_argument("--share", action="append", type=parse_share, default=[],
                   metavar="HOST[:GUEST][:ro]",
                   help="make a folder or file of the host visible in the guest; may be repeated")
    r.add_argument("--env", action="append", type=parse_env, default=[],
                   metavar="NAME[=VALUE]", help="set a variable; may be repeated")
    r.add_argument("--cwd", metavar="DIR", help="folder in the guest to start in")
    r.add_argument("--memory", type=parse_mib, default=2048, metavar="SIZE", help="default 2G")
    r.add_argument("--cpus", type=int, default=2, metavar="N", help="default 2")
    r.add_argument("--disk", type=parse_mib, default=2048, metavar="SIZE",
                   help="scratch disk on /mnt/scratch, default 2G")
    r.add_argument("--stdin", action="store_true", help="forward standard input")
    r.add_argument("--timeout", type=float, default=600, metavar="SECONDS",
                   help="limit for the command (default 600)")
    r.add_argument("--boot-timeout", type=float, default=180, metavar="SECONDS",
                   help="limit for the boot (default 180)")
    r.add_argument("--accel", choices=("auto", "tcg", "kvm"),
                   default=os.environ.get("VM_ACCEL", "auto"))
    r.add_argument("--append", default="", metavar="TEXT", help="more kernel parameters")
    r.add_argument("--unmask", action="append", default=[], metavar="UNIT",
                   help="a systemd unit that this program masks for speed, to leave alone")
    r.add_argument("--console", type=os.path.abspath, metavar="FILE", help="keep the guest's console output here")
    r.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND [ARG...]")

    b = sub.add_parser("build", help="fetch the kernel and build the image ahead of time")
    common(b)
    b.add_argument("--rebuild", action="store_true", help="even if it is cached (updates it)")

    sub.add_parser("clean", help="remove the cache")
    return p


def main():
    global VERBOSE
    args = parser().parse_args()
    VERBOSE = args.verbose
    if args.verb == "clean":
        shutil.rmtree(cache_dir())
        return 0
    if args.root is None:
        args.root = "image" if args.flavour == "systemd" else "host"
    if args.flavour == "systemd" and args.root == "host":
        raise VmError("the systemd flavour needs the image root")
    if args.flavour == "fast" and args.root == "host" and args.package:
        raise VmError("--package needs the image root")
    if os.geteuid() != 0:
        raise VmError("needs root (for the mount namespaces of the shared folders)")
    need(TOOLS)
    if args.verb == "build":
        kernel(args.kernel, args.rebuild)
        if args.root == "image":
            image(args.suite, args.package, args.rebuild)
        return 0
    if args.command[:1] == ["--"]:
        args.command = args.command[1:]
    if not args.command:
        raise VmError("no command")

    def terminate(signum, _frame):
        raise SystemExit(128 + signum)

    for s in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(s, terminate)
    with tempfile.TemporaryDirectory(prefix="vm-") as tmp:
        return Guest(args, tmp).run()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except VmError as e:
        note(f"error: {e}")
        sys.exit(RC_VM)
