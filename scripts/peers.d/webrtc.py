"""Peer aiortc: from making the offer to the first decoded frame, both ends in one process on loopback."""

import asyncio
import fractions
import sys
import time

import av
from aiortc import RTCConfiguration, RTCPeerConnection, VideoStreamTrack

from figures import show


class Noise(VideoStreamTrack):
    """A picture that is ready at once, 1280x720."""

    def __init__(self):
        super().__init__()
        self.count = 0
        self.ramps = [bytes(n * 255 // size for n in range(size)) for size in (1280 * 720, 640 * 360, 640 * 360)]

    async def recv(self):
        if self.count:
            await asyncio.sleep(1 / 30)
        frame = av.VideoFrame(1280, 720, "yuv420p")
        for plane, ramp in zip(frame.planes, self.ramps):
            plane.update(ramp)
        frame.pts = self.count * 3000
        frame.time_base = fractions.Fraction(1, 90000)
        self.count += 1
        return frame


async def call():
    no_servers = RTCConfiguration(iceServers=[])
    sender, receiver = RTCPeerConnection(no_servers), RTCPeerConnection(no_servers)
    first = asyncio.get_running_loop().create_future()

    @receiver.on("track")
    def on_track(track):
        async def wait():
            await track.recv()
            first.set_result(time.perf_counter())

        asyncio.ensure_future(wait())

    sender.addTrack(Noise())
    start = time.perf_counter()
    await sender.setLocalDescription(await sender.createOffer())
    await receiver.setRemoteDescription(sender.localDescription)
    await receiver.setLocalDescription(await receiver.createAnswer())
    await sender.setRemoteDescription(receiver.localDescription)
    seen = await asyncio.wait_for(first, 15)
    await asyncio.gather(sender.close(), receiver.close())
    return (seen - start) * 1000


async def main():
    await call()
    show([await call() for _ in range(int(sys.argv[1]))])


asyncio.run(main())
