"""An RTSP server of prepared clips, played in a loop with running timestamps.

Run by the system's Python, which has GStreamer's bindings: ``/usr/bin/python3 rtsp_server.py PORT
FPS [--address HOST] [--user NAME --password WORD] [--gaps 1,1,4] NAME=CLIP ...``. A clip is H.264
access units, each after its length in four bytes; see `clips.py`. The gaps are how many frames'
time lies between two units, over and over.
"""

from __future__ import annotations

import argparse
import struct
import sys
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

DIGEST = 2
"""GST_RTSP_AUTH_DIGEST"""

PIPELINE = (
    "( appsrc name=units is-live=true format=time block=false "
    "caps=video/x-h264,stream-format=byte-stream,alignment=au "
    "! rtph264pay name=pay0 pt=96 config-interval=-1 )"
)


def read_units(path: str) -> list[bytes]:
    """The access units of a clip."""
    data, at, units = Path(path).read_bytes(), 0, []
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        units.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    return units


class Loop:
    """Feeds one medium with a clip, over and over, in real time."""

    def __init__(
        self, source: Gst.Element, units: list[bytes], fps: float, gaps: list[float]
    ) -> None:
        self.source, self.units, self.fps, self.index = source, units, fps, 0
        self.gaps, self.time = gaps, 0.0
        self.began = GLib.get_monotonic_time()
        print(f"began {self.began}", flush=True)
        self.push()

    def push(self) -> bool:
        unit = Gst.Buffer.new_wrapped(self.units[self.index % len(self.units)])
        unit.pts = unit.dts = int(self.time * Gst.SECOND)
        unit.duration = int(Gst.SECOND / self.fps)
        if self.source.emit("push-buffer", unit) != Gst.FlowReturn.OK:
            return False
        self.time += self.gaps[self.index % len(self.gaps)] / self.fps
        self.index += 1
        due = self.began + int(self.time * 1e6) - GLib.get_monotonic_time()
        GLib.timeout_add(max(0, due // 1000), self.push)
        return False


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port")
    parser.add_argument("fps", type=float)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--user")
    parser.add_argument("--password")
    parser.add_argument("--gaps", default="1")
    parser.add_argument("clips", nargs="+")
    options = parser.parse_args()
    gaps = [float(gap) for gap in options.gaps.split(",")]
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address(options.address)
    server.set_service(options.port)
    if options.user:
        auth = GstRtspServer.RTSPAuth()
        auth.set_supported_methods(DIGEST)
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "viewer")
        auth.add_digest(options.user, options.password, token)
        server.set_auth(auth)
    for clip in options.clips:
        name, _, path = clip.partition("=")
        units = read_units(path)
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(PIPELINE)
        factory.set_shared(True)
        if options.user:
            factory.add_role_from_structure(
                Gst.Structure.new_from_string(
                    "viewer, media.factory.access=(boolean)true, "
                    "media.factory.construct=(boolean)true"
                )
            )

        def configure(_factory, media, units=units):
            source = media.get_element().get_by_name_recurse_up("units")
            media.loop = Loop(source, units, options.fps, gaps)

        factory.connect("media-configure", configure)
        server.get_mount_points().add_factory(f"/{name}", factory)
    if server.attach(None) == 0:
        sys.exit("the port is taken")
    print("ready", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
