"""Peer baresip: from the dial command to CALL_ESTABLISHED, two instances on loopback (voice, no ICE, no encryption)."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time

from figures import show

MODULES = "/usr/lib/baresip/modules"


def configuration(directory, sip_port, control_port):
    os.makedirs(directory)
    with open(f"{directory}/config", "w", encoding="utf-8") as file:
        file.write(
            f"sip_listen 127.0.0.1:{sip_port}\nmodule_path {MODULES}\n"
            "module g711.so\nmodule aubridge.so\nmodule account.so\nmodule menu.so\nmodule ctrl_tcp.so\n"
            f"ctrl_tcp_listen 127.0.0.1:{control_port}\naudio_player aubridge,x\naudio_source aubridge,x\n"
            "rtp_ports 20000-21000\nnet_interface peers0\n"
        )
    answer = "auto" if sip_port == 15060 else "manual"
    with open(f"{directory}/accounts", "w", encoding="utf-8") as file:
        file.write(f"<sip:peer@127.0.0.1:{sip_port}>;regint=0;answermode={answer};audio_codecs=pcmu\n")
    open(f"{directory}/contacts", "w", encoding="utf-8").close()


class Control:
    """baresip's control connection: netstrings of JSON."""

    def __init__(self, port):
        for _ in range(200):
            try:
                self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
                break
            except OSError:
                time.sleep(0.05)
        else:
            raise SystemExit("baresip's control port does not open")
        self.buffer = b""

    def command(self, name, parameters=""):
        text = json.dumps({"command": name, "params": parameters}).encode()
        self.socket.sendall(b"%d:%s," % (len(text), text))

    def wait(self, event):
        while True:
            size, colon, rest = self.buffer.partition(b":")
            if colon and len(rest) > int(size):
                message = json.loads(rest[: int(size)])
                self.buffer = rest[int(size) + 1 :]
                if message.get("type") == event:
                    return
                continue
            more = self.socket.recv(65536)
            if not more:
                raise SystemExit("baresip has ended")
            self.buffer += more


def main():
    with tempfile.TemporaryDirectory() as directory:
        peers = []
        try:
            for name, sip, control in [("callee", 15060, 15065), ("caller", 15070, 15075)]:
                configuration(f"{directory}/{name}", sip, control)
                peers.append(
                    subprocess.Popen(
                        ["baresip", "-f", f"{directory}/{name}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                    )
                )
            Control(15065)
            caller = Control(15075)
            samples = []
            for _ in range(int(sys.argv[1]) + 1):
                start = time.perf_counter()
                caller.command("dial", "sip:peer@127.0.0.1:15060")
                caller.wait("CALL_ESTABLISHED")
                samples.append((time.perf_counter() - start) * 1000)
                caller.command("hangup")
                caller.wait("CALL_CLOSED")
            show(samples[1:])
        finally:
            for peer in peers:
                peer.kill()
                peer.wait()


main()
