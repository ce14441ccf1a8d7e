#!/usr/bin/python3
"""A desktop for tests: a display, a session bus, a tray host and a list of notifications.

    tray_probe.py run [--panel watcher|xfce|none] [--do CMD] -- PROGRAM ARGS...
    tray_probe.py menu | click LABEL | activate | screenshot FILE | ...

`run` makes a private X server and a private D-Bus session, starts PROGRAM in it, and takes down
everything that it started, and nothing else, when PROGRAM ends, when --do CMD ends, when --timeout
passes, or on SIGINT and SIGTERM. The other subcommands speak to that session: they find it by
$TRAY_PROBE_STATE, which is set inside it, or by --name.

Panels: `watcher` shows nothing and is quick; `xfce` draws the icon and its menu, for pictures;
`none` is a desktop without a place for icons.

Exit codes: 0 done; 1 what was asked for is not so; 2 wrong use, or a program is missing; 124 time
ran out. `run` ends with the code of --do CMD where given, else with that of PROGRAM.

Debian packages: xvfb dbus-daemon python3-gi; for pictures also xfce4-panel openbox xdotool
imagemagick adwaita-icon-theme fonts-dejavu-core fonts-noto-cjk.
"""

import argparse
import ctypes
import json
import os
import re
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zlib

try:
    from gi.repository import Gio, GLib
except ImportError:
    # A python from elsewhere (pyenv, a virtual environment) has no `gi`; the
    # system's own has it once python3-gi is installed.
    if os.path.realpath(sys.executable) != os.path.realpath("/usr/bin/python3") \
            and os.path.exists("/usr/bin/python3") and not os.environ.get("TRAY_PROBE_REEXEC"):
        os.environ["TRAY_PROBE_REEXEC"] = "1"
        os.execv("/usr/bin/python3", ["/usr/bin/python3", os.path.abspath(__file__)] + sys.argv[1:])
    sys.exit("tray_probe: needs python3-gi (apt-get install python3-gi)")

WATCHER = "org.kde.StatusNotifierWatcher"
WATCHER_PATH = "/StatusNotifierWatcher"
ITEM_IFACE = "org.kde.StatusNotifierItem"
MENU_IFACE = "com.canonical.dbusmenu"
PROPS = "org.freedesktop.DBus.Properties"
CALL_MS = 3000  # no single D-Bus call may take longer
# Marks every process of one session by its environment, so that also what a
# child started for itself (by the bus, by a web engine) is ended with it.
# It is never printed by `env`, so nothing outside a session carries it.
OWNED = "TRAY_PROBE_OWNED"


class Fail(Exception):
    """Something asked for is not so; the text says what."""

    def __init__(self, text, code=1):
        super().__init__(text)
        self.code = code


# --------------------------------------------------------------------------
# state: one small JSON file a running session
# --------------------------------------------------------------------------

def state_file(name):
    base = os.path.join(tempfile.gettempdir(), f"tray-probe-{os.getuid()}")
    return os.path.join(base, name, "state.json")


def alive(pid, start):
    """Whether pid is still the process that we noted (a pid can be reused)."""
    return start is not None and proc_start(pid) == start


def proc_start(pid):
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            fields = f.read().rsplit(b")", 1)[1].split()
        return int(fields[19]) if fields[0] != b"Z" else None
    except (OSError, ValueError, IndexError):
        return None


def load_state(args):
    path = os.environ.get("TRAY_PROBE_STATE") if args.name is None else None
    path = path or state_file(args.name or "default")
    end = time.monotonic() + args.wait
    while True:
        try:
            with open(path) as f:
                st = json.load(f)
            if alive(st["probe"]["pid"], st["probe"]["start"]):
                return st
        except (OSError, ValueError, KeyError):
            pass
        if time.monotonic() >= end:
            raise Fail(f"no session is running ({path}); start one with: tray_probe.py run -- APP")
        time.sleep(0.1)


def session_env(st, base=None):
    env = dict(os.environ if base is None else base)
    env.update({k: v for k, v in st["env"].items() if k != OWNED})
    return env


def connect(address):
    return Gio.DBusConnection.new_for_address_sync(
        address,
        Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION,
        None, None)


def call(bus, dest, path, iface, member, sig=None, values=(), reply=None, ms=CALL_MS):
    body = GLib.Variant(sig, values) if sig else None
    return bus.call_sync(dest, path, iface, member, body,
                         GLib.VariantType(reply) if reply else None,
                         Gio.DBusCallFlags.NONE, ms, None)


# --------------------------------------------------------------------------
# the watcher: a StatusNotifierWatcher and host without a screen of its own
# --------------------------------------------------------------------------

WATCHER_XML = """<node><interface name="org.kde.StatusNotifierWatcher">
<method name="RegisterStatusNotifierItem"><arg type="s" direction="in"/></method>
<method name="RegisterStatusNotifierHost"><arg type="s" direction="in"/></method>
<property name="RegisteredStatusNotifierItems" type="as" access="read"/>
<property name="IsStatusNotifierHostRegistered" type="b" access="read"/>
<property name="ProtocolVersion" type="i" access="read"/>
<signal name="StatusNotifierItemRegistered"><arg type="s"/></signal>
<signal name="StatusNotifierItemUnregistered"><arg type="s"/></signal>
<signal name="StatusNotifierHostRegistered"/>
</interface></node>"""


def watcher_main(address):
    """Serve org.kde.StatusNotifierWatcher until the bus goes away."""
    bus = connect(address)
    loop = GLib.MainLoop()
    items = {}  # "bus-name/path" -> unique name that owns it

    def emit(signal_name, value=None):
        bus.emit_signal(None, WATCHER_PATH, WATCHER, signal_name,
                        GLib.Variant("(s)", (value,)) if value is not None else None)

    def on_call(_bus, sender, _path, _iface, method, params, invocation):
        if method == "RegisterStatusNotifierItem":
            (what,) = params.unpack()
            # some pass an object path, others a bus name
            item = sender + what if what.startswith("/") else what + "/StatusNotifierItem"
            if item not in items:
                items[item] = sender
                emit("StatusNotifierItemRegistered", item)
        invocation.return_value(None)

    def on_get(_bus, _sender, _path, _iface, prop):
        if prop == "RegisteredStatusNotifierItems":
            return GLib.Variant("as", list(items))
        if prop == "IsStatusNotifierHostRegistered":
            return GLib.Variant("b", True)
        return GLib.Variant("i", 0)

    def on_owner(_bus, _sender, _path, _iface, _signal, params):
        name, _old, new = params.unpack()
        if new:
            return
        for item, owner in list(items.items()):
            if name in (owner, item.split("/", 1)[0]):
                del items[item]
                emit("StatusNotifierItemUnregistered", item)

    node = Gio.DBusNodeInfo.new_for_xml(WATCHER_XML)
    bus.register_object(WATCHER_PATH, node.interfaces[0], on_call, on_get, None)
    bus.signal_subscribe("org.freedesktop.DBus", "org.freedesktop.DBus", "NameOwnerChanged",
                         "/org/freedesktop/DBus", None, Gio.DBusSignalFlags.NONE, on_owner)
    bus.connect("closed", lambda *_: loop.quit())
    Gio.bus_own_name_on_connection(bus, WATCHER, Gio.BusNameOwnerFlags.NONE,
                                   lambda *_: emit("StatusNotifierHostRegistered"),
                                   lambda *_: loop.quit())
    GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGTERM, loop.quit)
    loop.run()


# --------------------------------------------------------------------------
# notifications: kept in a list in place of being shown
# --------------------------------------------------------------------------

NOTES = "org.freedesktop.Notifications"
NOTES_PATH = "/org/freedesktop/Notifications"
RECORD_IFACE = "probe.Notes"
NOTES_XML = """<node><interface name="org.freedesktop.Notifications">
<method name="Notify"><arg type="s" direction="in"/><arg type="u" direction="in"/>
<arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="s" direction="in"/>
<arg type="as" direction="in"/><arg type="a{sv}" direction="in"/><arg type="i" direction="in"/>
<arg type="u" direction="out"/></method>
<method name="CloseNotification"><arg type="u" direction="in"/></method>
<method name="GetCapabilities"><arg type="as" direction="out"/></method>
<method name="GetServerInformation"><arg type="s" direction="out"/><arg type="s" direction="out"/>
<arg type="s" direction="out"/><arg type="s" direction="out"/></method>
<signal name="ActionInvoked"><arg type="u"/><arg type="s"/></signal>
<signal name="NotificationClosed"><arg type="u"/><arg type="u"/></signal>
</interface><interface name="probe.Notes">
<method name="List"><arg type="s" direction="out"/></method>
<method name="Click"><arg type="u" direction="in"/></method>
</interface></node>"""


def notes_main(address):
    """Serve org.freedesktop.Notifications until the bus goes away."""
    bus = connect(address)
    loop = GLib.MainLoop()
    notes = []

    def emit(member, signature, *values):
        bus.emit_signal(None, NOTES_PATH, NOTES, member, GLib.Variant(signature, values))

    def on_call(_bus, _sender, _path, _iface, method, params, invocation):
        answer = None
        if method == "Notify":
            program, _id, _icon, title, body, actions, _hints, _timeout = params.unpack()
            notes.append({"id": len(notes) + 1, "program": program, "title": title, "body": body,
                          "actions": actions[::2]})
            answer = GLib.Variant("(u)", (len(notes),))
        elif method == "GetCapabilities":
            answer = GLib.Variant("(as)", (["actions", "body", "body-markup"],))
        elif method == "GetServerInformation":
            answer = GLib.Variant("(ssss)", ("tray_probe", "tests", "1", "1.2"))
        elif method == "List":
            answer = GLib.Variant("(s)", (json.dumps(notes),))
        invocation.return_value(answer)
        if method == "Click":
            emit("ActionInvoked", "(us)", params.unpack()[0], "default")
            emit("NotificationClosed", "(uu)", params.unpack()[0], 2)

    for interface in Gio.DBusNodeInfo.new_for_xml(NOTES_XML).interfaces:
        bus.register_object(NOTES_PATH, interface, on_call, None, None)
    bus.connect("closed", lambda *_: loop.quit())
    Gio.bus_own_name_on_connection(bus, NOTES, Gio.BusNameOwnerFlags.NONE, None,
                                   lambda *_: loop.quit())
    GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGTERM, loop.quit)
    loop.run()


# --------------------------------------------------------------------------
# the settings of the desktop: light or dark
# --------------------------------------------------------------------------

PORTAL = "org.freedesktop.portal.Desktop"
PORTAL_PATH = "/org/freedesktop/portal/desktop"
SETTINGS_IFACE = "org.freedesktop.portal.Settings"
SCHEME = ("org.freedesktop.appearance", "color-scheme")
PORTAL_XML = """<node><interface name="org.freedesktop.portal.Settings">
<method name="Read"><arg type="s" direction="in"/><arg type="s" direction="in"/>
<arg type="v" direction="out"/></method>
<signal name="SettingChanged"><arg type="s"/><arg type="s"/><arg type="v"/></signal>
</interface><interface name="probe.Settings">
<method name="Set"><arg type="u" direction="in"/></method>
</interface></node>"""


def portal_main(address):
    """Serve the settings portal until the bus goes away."""
    bus = connect(address)
    loop = GLib.MainLoop()
    scheme = [0]

    def on_call(_bus, _sender, _path, _iface, method, params, invocation):
        if method == "Set":
            scheme[:] = params.unpack()
            value = GLib.Variant("(ssv)", (*SCHEME, GLib.Variant("u", scheme[0])))
            bus.emit_signal(None, PORTAL_PATH, SETTINGS_IFACE, "SettingChanged", value)
            invocation.return_value(None)
        elif params.unpack() == SCHEME:
            value = GLib.Variant("v", GLib.Variant("u", scheme[0]))
            invocation.return_value(GLib.Variant("(v)", (value,)))
        else:
            invocation.return_dbus_error("org.freedesktop.portal.Error.NotFound", "no such setting")

    for interface in Gio.DBusNodeInfo.new_for_xml(PORTAL_XML).interfaces:
        bus.register_object(PORTAL_PATH, interface, on_call, None, None)
    bus.connect("closed", lambda *_: loop.quit())
    Gio.bus_own_name_on_connection(bus, PORTAL, Gio.BusNameOwnerFlags.NONE, None,
                                   lambda *_: loop.quit())
    GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGTERM, loop.quit)
    loop.run()


# --------------------------------------------------------------------------
# run: the session
# --------------------------------------------------------------------------

PANEL_XML = """<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfce4-panel" version="1.0">
  <property name="configver" type="int" value="2"/>
  <property name="panels" type="array">
    <value type="int" value="1"/>
    <property name="dark-mode" type="bool" value="%(dark)s"/>
    <property name="panel-1" type="empty">
      <property name="position" type="string" value="p=6;x=0;y=0"/>
      <property name="length" type="uint" value="100"/>
      <property name="position-locked" type="bool" value="true"/>
      <property name="icon-size" type="uint" value="22"/>
      <property name="size" type="uint" value="30"/>
      <property name="plugin-ids" type="array">
        <value type="int" value="1"/><value type="int" value="2"/><value type="int" value="3"/>
      </property>
    </property>
  </property>
  <property name="plugins" type="empty">
    <property name="plugin-1" type="string" value="systray">
      <property name="square-icons" type="bool" value="true"/>
      <property name="show-frame" type="bool" value="false"/>
    </property>
    <property name="plugin-2" type="string" value="separator">
      <property name="expand" type="bool" value="true"/>
      <property name="style" type="uint" value="0"/>
    </property>
    <property name="plugin-3" type="string" value="clock"/>
  </property>
</channel>
"""
# where PANEL_XML puts the first tray icon on the screen: the panel is 30 high,
# and the tray is its leftmost plugin
FIRST_ICON = (15, 15)


def _pdeathsig():
    # a child must not outlive this program, even one that is killed outright
    try:
        ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGTERM)
    except OSError:
        pass


class Session:
    def __init__(self, args):
        self.args = args
        self.dir = os.path.dirname(state_file(args.name or "default"))
        self.mark = f"{os.getpid()}-{time.time_ns()}"
        self.children = []  # (label, Popen), in the order started
        self.env = {}
        self.state = {}

    def need(self, program, package):
        path = shutil.which(program)
        if not path:
            raise Fail(f"{program} is missing (apt-get install {package})", 2)
        return path

    def spawn(self, label, argv, env=None, out=None, **kw):
        log = out
        if log is None:
            log = open(os.path.join(self.dir, label + ".log"), "wb")
        try:
            p = subprocess.Popen(argv, env=env or self.full_env(), stdin=subprocess.DEVNULL,
                                 stdout=log, stderr=subprocess.STDOUT if out is None else None,
                                 start_new_session=True, preexec_fn=_pdeathsig, **kw)
        except OSError as e:
            raise Fail(f"cannot start {argv[0]}: {e.strerror}", 2)
        finally:
            if out is None:
                log.close()
        self.children.append((label, p))
        return p

    def full_env(self):
        env = {k: v for k, v in os.environ.items()
               if k not in ("WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "XAUTHORITY",
                            "TRAY_PROBE_REEXEC", "DESKTOP_STARTUP_ID")}
        env.update(self.env)
        return env

    def log_tail(self, label, n=15):
        try:
            with open(os.path.join(self.dir, label + ".log"), errors="replace") as f:
                return "".join(f.readlines()[-n:]).rstrip()
        except OSError:
            return ""

    def until(self, what, test, seconds, child=None):
        end = time.monotonic() + seconds
        while True:
            value = test()
            if value:
                return value
            if child is not None and child[1].poll() is not None:
                raise Fail(f"{child[0]} ended (code {child[1].returncode}) before {what}\n"
                           + self.log_tail(child[0]), 2)
            if time.monotonic() >= end:
                raise Fail(f"not within {seconds:g} s: {what}", 124)
            time.sleep(0.05)

    # -- the parts ---------------------------------------------------------

    def start_x(self):
        self.need("Xvfb", "xvfb")
        r, w = os.pipe()
        argv = ["Xvfb", "-displayfd", str(w), "-screen", "0", self.args.screen + "x24",
                "-dpi", str(self.args.dpi), "-nolisten", "tcp", "-noreset"]
        p = self.spawn("Xvfb", argv, pass_fds=(w,))
        os.close(w)
        os.set_blocking(r, False)
        got = b""

        def number():
            nonlocal got
            try:
                got += os.read(r, 64)
            except BlockingIOError:
                pass
            return got.strip().decode() if got.endswith(b"\n") else None

        try:
            n = self.until("the X server is up", number, 15, ("Xvfb", p))
        finally:
            os.close(r)
        self.env["DISPLAY"] = ":" + n

    def start_bus(self):
        self.need("dbus-daemon", "dbus-daemon")
        address = "unix:path=" + os.path.join(self.dir, "bus")
        # what the bus starts by itself (xfconfd) sees this environment too
        self.env["DBUS_SESSION_BUS_ADDRESS"] = address
        env = self.full_env()
        env.update(self.panel_env())
        p = self.spawn("dbus-daemon", ["dbus-daemon", "--session", "--nofork", "--nopidfile",
                                       "--address=" + address], env=env)

        def up():
            try:
                return connect(address)
            except GLib.Error:
                return None
        self.bus = self.until("the session bus is up", up, 10, ("dbus-daemon", p))

    def panel_env(self):
        conf = os.path.join(self.dir, "panel")
        return {"XDG_CONFIG_HOME": conf, "XDG_CACHE_HOME": os.path.join(conf, "cache")}

    def has_owner(self, name):
        return call(self.bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                    "org.freedesktop.DBus", "NameHasOwner", "(s)", (name,), "(b)").unpack()[0]

    def start_host(self):
        if self.args.panel == "none":
            return
        if self.args.panel == "watcher":
            p = self.spawn("watcher", [sys.executable, os.path.abspath(__file__), "_watcher",
                                       self.env["DBUS_SESSION_BUS_ADDRESS"]])
            child = ("watcher", p)
        else:
            self.need("xfce4-panel", "xfce4-panel")
            conf = os.path.join(self.dir, "panel/xfce4/xfconf/xfce-perchannel-xml")
            os.makedirs(conf)
            with open(os.path.join(conf, "xfce4-panel.xml"), "w") as f:
                f.write(PANEL_XML % {"dark": str(self.args.dark).lower()})
            env = self.full_env()
            env.update(self.panel_env())
            p = self.spawn("xfce4-panel", ["xfce4-panel", "--disable-wm-check", "--sm-client-disable"],
                           env=env)
            child = ("xfce4-panel", p)
        self.until("the tray host is up", lambda: self.has_owner(WATCHER), 20, child)

    def start_notes(self):
        p = self.spawn("notes", [sys.executable, os.path.abspath(__file__), "_notes",
                                 self.env["DBUS_SESSION_BUS_ADDRESS"]])
        self.until("notifications are taken", lambda: self.has_owner(NOTES), 10, ("notes", p))

    def start_portal(self):
        p = self.spawn("portal", [sys.executable, os.path.abspath(__file__), "_portal",
                                  self.env["DBUS_SESSION_BUS_ADDRESS"]])
        self.until("settings are told", lambda: self.has_owner(PORTAL), 10, ("portal", p))

    def start_wm(self):
        if self.args.wm == "none":
            return
        if not shutil.which("openbox"):
            if self.args.wm == "openbox":
                self.need("openbox", "openbox")
            return
        self.spawn("openbox", ["openbox", "--sm-disable"])

    def save(self):
        self.state.update(env=self.env, dir=self.dir, panel=self.args.panel, scale=self.args.scale,
                          probe={"pid": os.getpid(), "start": proc_start(os.getpid())},
                          started={label: p.pid for label, p in self.children})
        tmp = os.path.join(self.dir, "state.json.new")
        with open(tmp, "w") as f:
            json.dump(self.state, f, indent=1)
        os.replace(tmp, os.path.join(self.dir, "state.json"))

    def up(self):
        # one session a name: clear what a dead one left, refuse a live one
        path = os.path.join(self.dir, "state.json")
        try:
            with open(path) as f:
                st = json.load(f)
            if alive(st["probe"]["pid"], st["probe"]["start"]):
                raise Fail(f"session {self.args.name or 'default'!r} is already running "
                           "(give another --name)", 2)
        except (OSError, ValueError, KeyError):
            pass
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(os.path.join(self.dir, "run"), mode=0o700)
        os.chmod(self.dir, 0o700)
        self.env = {
            "XDG_RUNTIME_DIR": os.path.join(self.dir, "run"),
            "TRAY_PROBE_STATE": path,
            OWNED: self.mark,
            "GDK_BACKEND": "x11",
            "XDG_SESSION_TYPE": "x11",
            "NO_AT_BRIDGE": "1",            # no accessibility bus
            "LIBGL_ALWAYS_SOFTWARE": "1",
            "GTK_USE_PORTAL": "0",
        }
        if self.args.dark:
            self.env["GTK_THEME"] = "Adwaita:dark"
        if self.args.scale != 1:
            self.env["GDK_SCALE"] = str(self.args.scale)
        self.start_x()
        self.start_bus()
        self.start_wm()
        self.start_notes()
        self.start_portal()
        self.start_host()

    def stragglers(self):
        """Processes that carry this session's mark, wherever they hang."""
        want = f"{OWNED}={self.mark}".encode()
        found = []
        for d in os.listdir("/proc"):
            if d.isdigit() and int(d) != os.getpid():
                try:
                    with open(f"/proc/{d}/environ", "rb") as f:
                        if want in f.read().split(b"\0"):
                            found.append(int(d))
                except OSError:
                    pass
        return found

    def down(self):
        """End what we started, last first: TERM, then KILL after a grace."""
        for grace, sig in ((3.0, signal.SIGTERM), (2.0, signal.SIGKILL)):
            for label, p in reversed(self.children):
                live = p.poll() is None
                # each child leads its own session, so its group is ours alone;
                # helpers that it left behind (web processes) are in it too
                try:
                    if live or sig == signal.SIGKILL:
                        os.killpg(p.pid, sig)
                except (ProcessLookupError, PermissionError):
                    pass
                if not live:
                    continue
                try:
                    p.wait(grace)
                except subprocess.TimeoutExpired:
                    pass
        for _ in range(20):
            left = self.stragglers()
            if not left:
                break
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.05)
        if not self.args.keep:
            shutil.rmtree(self.dir, ignore_errors=True)
        else:
            try:
                os.remove(os.path.join(self.dir, "state.json"))
            except OSError:
                pass


def on_term(signum, _frame):
    raise Fail(f"stopped by {signal.Signals(signum).name}", 128 + signum)


def cmd_run(args):
    app = args.app
    if app and app[0] == "--":
        app = app[1:]
    if not app and not args.do:
        raise Fail("run needs -- APP ARGS, or --do CMD", 2)
    signal.signal(signal.SIGTERM, on_term)
    signal.signal(signal.SIGINT, on_term)
    signal.signal(signal.SIGHUP, on_term)
    deadline = time.monotonic() + args.timeout
    s = Session(args)
    started = False
    try:
        s.up()
        started = True
        p_app = p_do = None
        if app:
            sys.stdout.flush()
            out = open(args.log, "wb") if args.log else sys.stdout.buffer
            p_app = s.spawn("app", app, out=out)
            if args.log:
                out.close()
            s.state["app"] = {"pid": p_app.pid, "start": proc_start(p_app.pid), "argv": app}
        s.save()
        if args.do:
            env = s.full_env()
            env["TRAY_PROBE"] = os.path.abspath(__file__)
            env["TRAY_PROBE_APP_PID"] = str(p_app.pid) if p_app else ""
            p_do = s.spawn("do", ["/bin/sh", "-c", args.do], env=env, out=sys.stdout.buffer)
        while True:
            if p_app is not None and p_app.poll() is not None and "exit" not in s.state["app"]:
                s.state["app"]["exit"] = code_of(p_app.returncode)
                s.save()
            if p_do is not None:
                if p_do.poll() is not None:
                    return code_of(p_do.returncode)
            elif p_app.poll() is not None:
                return code_of(p_app.returncode)
            if time.monotonic() >= deadline:
                raise Fail(f"time ran out after {args.timeout:g} s", 124)
            time.sleep(0.05)
    finally:
        for sg in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(sg, signal.SIG_IGN)
        # a session that was refused because its name is taken owns nothing
        if started or s.children:
            s.down()


def code_of(rc):
    return rc if rc >= 0 else 128 - rc


# --------------------------------------------------------------------------
# items and menus
# --------------------------------------------------------------------------

def items_of(bus):
    try:
        (v,) = call(bus, WATCHER, WATCHER_PATH, PROPS, "Get", "(ss)",
                    (WATCHER, "RegisteredStatusNotifierItems"), "(v)").unpack()
    except GLib.Error as e:
        raise Fail("no StatusNotifierWatcher on the bus: " + e.message)
    found = []
    for entry in v:
        dest, slash, rest = entry.partition("/")
        found.append((dest, "/" + rest if slash else "/StatusNotifierItem"))
    return found


def item_props(bus, item):
    (props,) = call(bus, item[0], item[1], PROPS, "GetAll", "(s)", (ITEM_IFACE,), "(a{sv})").unpack()
    return props


def pick_item(bus, args):
    """The tray item meant: the only one, or the one whose Id/Title has --item."""
    end = time.monotonic() + args.wait
    while True:
        problem = "no tray item is registered"
        try:
            got = []
            for it in items_of(bus):
                try:
                    props = item_props(bus, it)
                except GLib.Error:
                    continue
                if args.item is None or args.item in props.get("Id", "") or args.item in props.get("Title", ""):
                    got.append((it, props))
            if len(got) == 1:
                return got[0]
            if got:
                problem = "several tray items, choose with --item: " + \
                    ", ".join(p.get("Id", "?") for _, p in got)
            elif args.item is not None:
                problem = f"no tray item whose id or title has {args.item!r}"
        except Fail as e:
            problem = str(e)
        if time.monotonic() >= end:
            raise Fail(problem)
        time.sleep(0.1)


def clean(label):
    """A dbusmenu label as a person reads it: _ marks a mnemonic, __ is a _."""
    return re.sub(r"_(.?)", r"\1", label)


def read_menu(bus, item, props):
    path = props.get("Menu")
    if not path or path == "/NO_DBUSMENU":
        raise Fail("this tray item has no menu")
    try:
        call(bus, item[0], path, MENU_IFACE, "AboutToShow", "(i)", (0,))
    except GLib.Error:
        pass  # optional in practice
    rev, root = call(bus, item[0], path, MENU_IFACE, "GetLayout", "(iias)", (0, -1, []),
                     "(u(ia{sv}av))").unpack()

    def node(n):
        nid, p, kids = n
        d = {"id": nid}
        if p.get("type") == "separator":
            d["type"] = "separator"
        else:
            d["label"] = clean(p.get("label", ""))
            d["enabled"] = p.get("enabled", True)
        if not p.get("visible", True):
            d["visible"] = False
        if p.get("toggle-type"):
            d["toggle"] = p["toggle-type"]
            d["checked"] = p.get("toggle-state", 0) == 1
        if kids or p.get("children-display") == "submenu":
            d["children"] = [node(k) for k in kids]
        return d

    return path, {"revision": rev, "items": [node(k) for k in root[2]]}


def walk(items, trail=()):
    for it in items:
        if it.get("type") == "separator" or it.get("visible") is False:
            continue
        here = trail + (it["label"],)
        yield here, it
        yield from walk(it.get("children", []), here)


def find_label(menu, label):
    """The entry with this label ('Sub > Entry' for a submenu's); else the only
    one that contains it."""
    entries = list(walk(menu["items"]))
    want = tuple(x.strip() for x in label.split(" > "))
    for test in (lambda t, i: t == want,
                 lambda t, i: i["label"] == label,
                 lambda t, i: label.lower() in i["label"].lower()):
        hit = [i for t, i in entries if test(t, i)]
        if len(hit) == 1:
            return hit[0]
        if hit:
            raise Fail(f"{label!r} fits several entries: " + ", ".join(repr(h["label"]) for h in hit))
    raise Fail(f"no entry {label!r}; the menu has: " + ", ".join(repr(i["label"]) for _, i in entries))


def with_bus(args):
    st = load_state(args)
    return st, connect(st["env"]["DBUS_SESSION_BUS_ADDRESS"])


def cmd_items(args):
    _, bus = with_bus(args)
    out = []
    end = time.monotonic() + args.wait
    while not out:
        for it in items_of(bus):
            try:
                p = item_props(bus, it)
            except GLib.Error:
                continue
            tip = p.get("ToolTip")
            out.append({"bus": it[0], "path": it[1], "id": p.get("Id"), "title": p.get("Title"),
                        "status": p.get("Status"), "icon_name": p.get("IconName"),
                        "icon_sizes": [f"{i[0]}x{i[1]}" for i in p.get("IconPixmap", [])],
                        "tooltip": [tip[2], tip[3]] if tip else None,
                        "menu": p.get("Menu"), "item_is_menu": p.get("ItemIsMenu")})
        if time.monotonic() >= end:
            break
        if not out:
            time.sleep(0.1)
    print(json.dumps(out, indent=1, ensure_ascii=False))
    return 0 if out else 1


def cmd_menu(args):
    _, bus = with_bus(args)
    item, props = pick_item(bus, args)
    _, menu = read_menu(bus, item, props)
    if args.flat:
        for trail, it in walk(menu["items"]):
            mark = "[x] " if it.get("checked") else "[ ] " if "checked" in it else ""
            print(mark + " > ".join(trail) + ("" if it["enabled"] else " (disabled)"))
    else:
        print(json.dumps(menu, indent=1, ensure_ascii=False))
    return 0


def cmd_click(args):
    _, bus = with_bus(args)
    item, props = pick_item(bus, args)
    end = time.monotonic() + args.wait
    while True:
        path, menu = read_menu(bus, item, props)
        try:
            it = find_label(menu, args.label)
            break
        except Fail:
            if time.monotonic() >= end:
                raise
            time.sleep(0.1)
    if not it["enabled"] and not args.force:
        raise Fail(f"{it['label']!r} is disabled")
    try:
        call(bus, item[0], path, MENU_IFACE, "Event", "(isvu)",
             (it["id"], "clicked", GLib.Variant("i", 0), int(time.time()) & 0xffffffff))
    except GLib.Error as e:
        # an entry such as Quit may end the app before it has replied
        if not e.matches(Gio.dbus_error_quark(), Gio.DBusError.NO_REPLY):
            raise
    print(json.dumps({"clicked": it}, ensure_ascii=False))
    return 0


def cmd_expect(args):
    """Wait until an entry is there, in the state asked for."""
    _, bus = with_bus(args)
    end = time.monotonic() + args.wait
    item = props = None
    while True:
        it, why = None, ""
        try:
            if item is None:
                item, props = pick_item(bus, args)
            _, menu = read_menu(bus, item, props)
            it = find_label(menu, args.label)
        except Fail as e:
            why = str(e)
        except GLib.Error as e:
            item, why = None, e.message
        if args.absent:
            ok = it is None and "no entry" in why
            why = f"{args.label!r} is still there"
        else:
            ok = it is not None
            if ok and args.checked is not None:
                ok = it.get("checked") is args.checked
                why = f"{args.label!r} has checked={it.get('checked')}"
            if ok and args.disabled:
                ok = not it["enabled"]
                why = f"{args.label!r} is enabled"
        if ok:
            print(json.dumps(it, ensure_ascii=False))
            return 0
        if time.monotonic() >= end:
            raise Fail(why)
        time.sleep(0.05)


def cmd_notes(args):
    """The notifications so far; with TITLE waits for one that has it."""
    _, bus = with_bus(args)
    end = time.monotonic() + (args.wait if args.title else 0)
    while True:
        (text,) = call(bus, NOTES, NOTES_PATH, RECORD_IFACE, "List", reply="(s)").unpack()
        notes = [n for n in json.loads(text) if args.title is None or args.title in n["title"]]
        if notes or time.monotonic() >= end:
            break
        time.sleep(0.05)
    print(json.dumps(notes, indent=1, ensure_ascii=False))
    return 0 if notes or args.title is None else 1


def cmd_click_note(args):
    _, bus = with_bus(args)
    call(bus, NOTES, NOTES_PATH, RECORD_IFACE, "Click", "(u)", (args.id,))
    return 0


def cmd_scheme(args):
    """Set the desktop to light or dark, as a person does in its settings."""
    _, bus = with_bus(args)
    call(bus, PORTAL, PORTAL_PATH, "probe.Settings", "Set", "(u)", ({"dark": 1, "light": 2}[args.scheme],))
    return 0


def cmd_activate(args):
    _, bus = with_bus(args)
    item, _ = pick_item(bus, args)
    member = "SecondaryActivate" if args.secondary else "Activate"
    try:
        call(bus, item[0], item[1], ITEM_IFACE, member, "(ii)", (args.x, args.y))
    except GLib.Error as e:
        raise Fail(f"{member}: {e.message}")
    return 0


def write_png(path, w, h, rgba):
    def chunk(tag, data):
        return struct.pack(">I", len(data)) + tag + data + struct.pack(">I", zlib.crc32(tag + data))
    raw = b"".join(b"\0" + rgba[y * w * 4:(y + 1) * w * 4] for y in range(h))
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 8, 6, 0, 0, 0))
                + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b""))


def cmd_icon(args):
    _, bus = with_bus(args)
    _, props = pick_item(bus, args)
    pix = props.get("IconPixmap") or []
    if pix:
        w, h, data = max(pix, key=lambda i: i[0])
        data = bytes(data)
        rgba = b"".join(data[i + 1:i + 4] + data[i:i + 1] for i in range(0, len(data), 4))
        write_png(args.file, w, h, rgba)
        print(f"{args.file} {w}x{h}")
        return 0
    name = props.get("IconName", "")
    if os.path.isfile(name):
        shutil.copyfile(name, args.file)
        print(f"{args.file} (from {name})")
        return 0
    raise Fail(f"no pixmap; the icon is the theme's {name!r}")


# --------------------------------------------------------------------------
# the screen
# --------------------------------------------------------------------------

def xdotool(st, *argv, check=True):
    if not shutil.which("xdotool"):
        raise Fail("xdotool is missing (apt-get install xdotool)", 2)
    r = subprocess.run(["xdotool", *map(str, argv)], env=session_env(st), timeout=10,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if check and r.returncode:
        raise Fail(f"xdotool {argv[0]}: {r.stderr.strip() or 'nothing found'}")
    return r.stdout.strip()


def cmd_screenshot(args):
    st = load_state(args)
    if args.delay:
        time.sleep(min(args.delay, 30))
    env = session_env(st)
    target = "root"
    if args.window:
        target = str(window_of(st, args.window, args.wait))
    if not shutil.which("import"):
        raise Fail("import is missing (apt-get install imagemagick)", 2)
    r = subprocess.run(["import", "-silent", "-window", target, args.file], env=env, timeout=30,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if r.returncode or not os.path.exists(args.file):
        raise Fail("import: " + r.stdout.strip())
    print(f"{args.file} {os.path.getsize(args.file)} bytes")
    return 0


def windows(st):
    out = []
    for wid in xdotool(st, "search", "--onlyvisible", "--name", ".", check=False).split():
        name = xdotool(st, "getwindowname", wid, check=False)
        geo = dict(re.findall(r"^(X|Y|WIDTH|HEIGHT)=(-?\d+)$",
                              xdotool(st, "getwindowgeometry", "--shell", wid, check=False), re.M))
        if geo and int(geo["WIDTH"]) > 10 and int(geo["HEIGHT"]) > 10:
            out.append({"id": int(wid), "title": name, "x": int(geo["X"]), "y": int(geo["Y"]),
                        "width": int(geo["WIDTH"]), "height": int(geo["HEIGHT"])})
    return out


def window_of(st, title, patience):
    """The window with this in its title. While the window manager puts its frame around a window,
    that is not visible."""
    end = time.monotonic() + patience
    while not (ids := [w["id"] for w in windows(st) if title in w["title"]]):
        if time.monotonic() >= end:
            raise Fail(f"no visible window whose title has {title!r}")
        time.sleep(0.1)
    return ids[0]


def cmd_windows(args):
    st = load_state(args)
    end = time.monotonic() + (args.wait if args.title else 0)
    while True:
        got = [w for w in windows(st) if args.title is None or args.title in w["title"]]
        if (not got) == args.gone or time.monotonic() >= end:
            break
        time.sleep(0.2)
    print(json.dumps(got, indent=1, ensure_ascii=False))
    return 0 if (not got) == args.gone else 1


def cmd_open_menu(args):
    """A real mouse click on the icon in the panel, so that the menu is drawn."""
    st = load_state(args)
    if st["panel"] != "xfce":
        raise Fail("open-menu needs a drawn panel: run --panel xfce", 2)
    bus = connect(st["env"]["DBUS_SESSION_BUS_ADDRESS"])
    pick_item(bus, args)
    time.sleep(0.5)  # registered is not yet drawn
    xdotool(st, "mousemove", *(n * st["scale"] for n in FIRST_ICON))
    xdotool(st, "click", {"left": 1, "middle": 2, "right": 3}[args.button])
    time.sleep(args.settle)
    return 0


def cmd_keys(args):
    st = load_state(args)
    for k in args.keys:
        xdotool(st, "key", k)
    return 0


class _XClient(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("serial", ctypes.c_ulong), ("send_event", ctypes.c_int),
                ("display", ctypes.c_void_p), ("window", ctypes.c_ulong),
                ("message_type", ctypes.c_ulong), ("format", ctypes.c_int),
                ("data", ctypes.c_long * 5), ("pad", ctypes.c_long * 12)]


def ask_to_close(display, wid):
    """Send WM_DELETE_WINDOW, which is what a window's close button does.

    xdotool has no such verb (its windowclose destroys the window)."""
    x = ctypes.CDLL("libX11.so.6")
    x.XOpenDisplay.restype = ctypes.c_void_p
    x.XInternAtom.restype = ctypes.c_ulong
    x.XInternAtom.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
    x.XSendEvent.argtypes = [ctypes.c_void_p, ctypes.c_ulong, ctypes.c_int, ctypes.c_long, ctypes.c_void_p]
    x.XCloseDisplay.argtypes = [ctypes.c_void_p]
    d = x.XOpenDisplay(display.encode())
    if not d:
        raise Fail(f"cannot open display {display}")
    ev = _XClient(type=33, send_event=1, display=d, window=wid, format=32,
                  message_type=x.XInternAtom(d, b"WM_PROTOCOLS", 0))
    ev.data[0] = x.XInternAtom(d, b"WM_DELETE_WINDOW", 0)
    x.XSendEvent(d, wid, 0, 0, ctypes.byref(ev))
    x.XCloseDisplay(d)  # flushes


def cmd_close_window(args):
    """Ask a window to close, as its close button does."""
    st = load_state(args)
    ask_to_close(st["env"]["DISPLAY"], window_of(st, args.title, args.wait))
    return 0


def cmd_wait_exit(args):
    """Wait until APP has ended; print its exit code."""
    end = time.monotonic() + args.wait
    while True:
        app = load_state(args).get("app") or {}
        if "exit" in app:
            print(app["exit"])
            return 0
        if time.monotonic() >= end:
            raise Fail("the app is still running")
        time.sleep(0.1)


def cmd_stop(args):
    st = load_state(args)
    pid, start = st["probe"]["pid"], st["probe"]["start"]
    os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + max(args.wait, 20)
    while alive(pid, start):
        if time.monotonic() >= end:
            raise Fail("the session did not end", 124)
        time.sleep(0.1)
    return 0


def cmd_rss(args):
    """Memory of the app and all it started, in KiB (PSS counts shared pages once)."""
    st = load_state(args)
    if "app" not in st:
        raise Fail("this session has no app")
    root = st["app"]["pid"]
    parent = {}
    for d in os.listdir("/proc"):
        if d.isdigit():
            try:
                with open(f"/proc/{d}/stat", "rb") as f:
                    parent[int(d)] = int(f.read().rsplit(b")", 1)[1].split()[1])
            except (OSError, ValueError, IndexError):
                pass
    rows, todo = [], [root]
    while todo:
        pid = todo.pop()
        try:
            with open(f"/proc/{pid}/smaps_rollup") as f:
                m = dict(re.findall(r"^(\w+):\s+(\d+) kB", f.read(), re.M))
            with open(f"/proc/{pid}/comm") as f:
                rows.append({"pid": pid, "name": f.read().strip(), "rss": int(m["Rss"]), "pss": int(m["Pss"])})
        except (OSError, KeyError):
            continue
        todo += [p for p, pp in parent.items() if pp == pid]
    print(json.dumps({"total_rss": sum(r["rss"] for r in rows), "total_pss": sum(r["pss"] for r in rows),
                      "processes": rows}, indent=1))
    return 0


# --------------------------------------------------------------------------

def parser():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = ap.add_subparsers(dest="sub", required=True, metavar="COMMAND")

    def add(name, func, text, item=False):
        p = sub.add_parser(name, help=text, description=text)
        p.set_defaults(func=func)
        p.add_argument("--name", help="which session (default: $TRAY_PROBE_STATE, else 'default')")
        p.add_argument("--wait", type=float, default=10, metavar="S",
                       help="wait up to this long for what is asked (default 10)")
        if item:
            p.add_argument("--item", help="part of the tray item's id or title, where there are several")
        return p

    p = add("run", cmd_run, "start the session and APP in it; ends with it")
    p.add_argument("--panel", choices=["watcher", "xfce", "none"], default="watcher",
                   help="tray host: a bare watcher (default), xfce4-panel (draws the icon), none at all")
    p.add_argument("--wm", choices=["auto", "openbox", "none"], default="auto")
    p.add_argument("--screen", default="1000x760", metavar="WxH")
    p.add_argument("--dpi", type=int, default=96)
    p.add_argument("--scale", type=int, default=1, help="GDK_SCALE, for a look at high DPI")
    p.add_argument("--dark", action="store_true", help="dark GTK theme and panel")
    p.add_argument("--timeout", type=float, default=120, metavar="S", help="end all after this (default 120)")
    p.add_argument("--log", help="write APP's standard output here")
    p.add_argument("--do", metavar="CMD", help="shell command to run in the session; its exit code counts")
    p.add_argument("--keep", action="store_true", help="keep the session's folder with its logs")
    p.add_argument("app", nargs=argparse.REMAINDER, metavar="-- APP ARGS")

    add("items", cmd_items, "list the tray items as JSON")
    p = add("menu", cmd_menu, "print the tray menu as JSON", item=True)
    p.add_argument("--flat", action="store_true", help="one entry a line, for people")
    p = add("click", cmd_click, "click the menu entry LABEL ('Sub > Entry' works)", item=True)
    p.add_argument("label")
    p.add_argument("--force", action="store_true", help="even where it is disabled")
    p = add("expect", cmd_expect, "wait until the entry LABEL is there, in that state", item=True)
    p.add_argument("label")
    g = p.add_mutually_exclusive_group()
    g.add_argument("--checked", action="store_const", const=True, dest="checked")
    g.add_argument("--unchecked", action="store_const", const=False, dest="checked")
    g.add_argument("--absent", action="store_true")
    p.add_argument("--disabled", action="store_true")
    p = add("notes", cmd_notes, "print the notifications as JSON; with TITLE wait for one")
    p.add_argument("title", nargs="?")
    p = add("scheme", cmd_scheme, "set the desktop to light or dark")
    p.add_argument("scheme", choices=["light", "dark"])
    p = add("click-note", cmd_click_note, "click a notification")
    p.add_argument("id", type=int)
    p = add("activate", cmd_activate, "left-click the icon by D-Bus (Activate)", item=True)
    p.add_argument("--secondary", action="store_true", help="middle click instead")
    p.add_argument("-x", type=int, default=0)
    p.add_argument("-y", type=int, default=0)
    p = add("icon", cmd_icon, "save the tray icon as PNG", item=True)
    p.add_argument("file")
    p = add("screenshot", cmd_screenshot, "save the screen, or one window, as PNG")
    p.add_argument("file")
    p.add_argument("--window", metavar="TITLE", help="only the window whose title has this")
    p.add_argument("--delay", type=float, default=0.5, metavar="S")
    p = add("windows", cmd_windows, "list visible windows as JSON; with TITLE wait for one")
    p.add_argument("title", nargs="?")
    p.add_argument("--gone", action="store_true", help="wait until there is none")
    p = add("open-menu", cmd_open_menu, "click the icon in the panel (run --panel xfce)", item=True)
    p.add_argument("--button", choices=["left", "middle", "right"], default="right")
    p.add_argument("--settle", type=float, default=0.7, metavar="S")
    p = add("keys", cmd_keys, "press keys (xdotool names: Down, Return, Escape, ...)")
    p.add_argument("keys", nargs="+")
    p = add("close-window", cmd_close_window, "ask a window to close")
    p.add_argument("title")
    add("rss", cmd_rss, "memory of APP and its children as JSON")
    add("wait-exit", cmd_wait_exit, "wait until APP has ended and print its exit code")
    add("stop", cmd_stop, "end the session")
    return ap


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "_watcher":
        return watcher_main(sys.argv[2]) or 0
    if len(sys.argv) == 3 and sys.argv[1] == "_notes":
        return notes_main(sys.argv[2]) or 0
    if len(sys.argv) == 3 and sys.argv[1] == "_portal":
        return portal_main(sys.argv[2]) or 0
    args = parser().parse_args()
    try:
        return args.func(args)
    except Fail as e:
        print(f"tray_probe: {e}", file=sys.stderr)
        return e.code
    except GLib.Error as e:
        print(f"tray_probe: D-Bus: {e.message}", file=sys.stderr)
        return 1
    except subprocess.TimeoutExpired as e:
        print(f"tray_probe: {e.cmd[0]} took too long", file=sys.stderr)
        return 124
    except BrokenPipeError:
        return 1


if __name__ == "__main__":
    sys.exit(main())
