// The shift's one media connection to the gateway: picture down, sound both ways, connected before any press.

export interface PeerEvents {
  offer(sdp: string): void;
  state(state: "connecting" | "connected" | "lost"): void;
  /** The picture; null when the connection it came by is gone. */
  video(track: MediaStreamTrack | null): void;
  audio(track: MediaStreamTrack): void;
}

/** A connection that says "disconnected" for this long does not come back by itself. */
const DISCONNECTED_FOR_MS = 2000;
/** An offer without a connection after this long is made again. */
const CONNECT_WITHIN_MS = 5000;
const RETRY_MS = [200, 1000, 2000, 4000];

/** Hints that exist in some browsers only. */
interface LowLatency {
  jitterBufferTarget?: number | null;
  playoutDelayHint?: number | null;
}

export class Peer {
  private pc: RTCPeerConnection | null = null;
  private microphone: MediaStreamTrack | null = null;
  private patience: ReturnType<typeof setTimeout> | undefined;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private attempt = 0;
  private wanted = false;
  private speaking = false;

  constructor(private readonly events: PeerEvents) {}

  get connection(): RTCPeerConnection | null {
    return this.pc;
  }

  /** A new connection, whatever there was before: the offer leaves at once, no candidates are waited for. */
  start(): void {
    this.wanted = true;
    this.shut();
    // A retry is still a loss, until it has come to something.
    this.events.state(this.attempt === 0 ? "connecting" : "lost");
    // No STUN, no TURN: the gateway has an address and learns ours from our packets.
    const pc = new RTCPeerConnection({ iceServers: [], bundlePolicy: "max-bundle" });
    this.pc = pc;
    pc.ontrack = ({ track, receiver }) => {
      lowLatency(receiver);
      if (track.kind === "video") this.events.video(track);
      else this.events.audio(track);
    };
    pc.onconnectionstatechange = () => this.changed(pc);
    const video = pc.addTransceiver("video", { direction: "recvonly" });
    preferH264(video);
    const audio = pc.addTransceiver("audio", {
      direction: "sendrecv",
      streams: [new MediaStream()],
      sendEncodings: [{ active: this.speaking }],
    });
    if (this.microphone !== null) void audio.sender.replaceTrack(this.microphone);
    lowLatency(video.receiver);
    lowLatency(audio.receiver);
    this.patience = setTimeout(() => this.again(pc), CONNECT_WITHIN_MS);
    void this.offer(pc);
  }

  stop(): void {
    this.wanted = false;
    this.shut();
  }

  /** The gateway's answer. One that fits no offer is ignored: the next offer brings its own. */
  async answered(sdp: string): Promise<void> {
    const pc = this.pc;
    if (pc === null || pc.signalingState !== "have-local-offer") return;
    try {
      await pc.setRemoteDescription({ type: "answer", sdp });
    } catch (error) {
      console.error("the gateway's answer cannot be used", error);
      this.again(pc);
    }
  }

  /** The microphone, whenever it is there; the connection does not wait for it. */
  async send(track: MediaStreamTrack | null): Promise<void> {
    this.microphone = track;
    await this.audio()?.sender.replaceTrack(track);
  }

  private audio(): RTCRtpTransceiver | undefined {
    return this.pc?.getTransceivers().find((t) => t.receiver.track.kind === "audio");
  }

  /** Whether anything is sent at all: outside a call not even silence leaves the page. */
  async speak(on: boolean): Promise<void> {
    this.speaking = on;
    const sender = this.audio()?.sender;
    if (sender === undefined) return;
    const parameters = sender.getParameters();
    for (const encoding of parameters.encodings) encoding.active = on;
    try {
      await sender.setParameters(parameters);
    } catch (error) {
      // The connection was shut meanwhile; the next one begins with what is wanted.
      console.warn("the sender takes no parameters:", error);
    }
  }

  private async offer(pc: RTCPeerConnection): Promise<void> {
    try {
      const offer = await pc.createOffer();
      await pc.setLocalDescription(offer);
      if (this.pc === pc) this.events.offer(offer.sdp ?? "");
    } catch (error) {
      if (this.pc !== pc) return;
      console.error("no offer could be made", error);
      this.again(pc);
    }
  }

  private changed(pc: RTCPeerConnection): void {
    if (this.pc !== pc) return;
    switch (pc.connectionState) {
      case "connected":
        clearTimeout(this.patience);
        this.attempt = 0;
        this.events.state("connected");
        break;
      case "disconnected":
        clearTimeout(this.patience);
        this.patience = setTimeout(() => this.again(pc), DISCONNECTED_FOR_MS);
        this.events.state("lost");
        break;
      case "failed":
      case "closed":
        this.again(pc);
        break;
      case "new":
      case "connecting":
        break;
    }
  }

  private again(pc: RTCPeerConnection): void {
    if (this.pc !== pc || !this.wanted) return;
    this.shut();
    this.events.state("lost");
    const wait = RETRY_MS[Math.min(this.attempt, RETRY_MS.length - 1)];
    this.attempt += 1;
    this.retry = setTimeout(() => this.start(), wait);
  }

  private shut(): void {
    clearTimeout(this.patience);
    clearTimeout(this.retry);
    const pc = this.pc;
    this.pc = null;
    if (pc === null) return;
    pc.ontrack = pc.onconnectionstatechange = null;
    pc.close();
    this.events.video(null);
  }
}

function preferH264(transceiver: RTCRtpTransceiver): void {
  const codecs = RTCRtpReceiver.getCapabilities("video")?.codecs ?? [];
  const first = codecs.filter((codec) => codec.mimeType === "video/H264");
  if (first.length === 0) return;
  transceiver.setCodecPreferences([...first, ...codecs.filter((codec) => codec.mimeType !== "video/H264")]);
}

function lowLatency(receiver: RTCRtpReceiver): void {
  const hints = receiver as RTCRtpReceiver & LowLatency;
  if ("jitterBufferTarget" in hints) hints.jitterBufferTarget = 0;
  if ("playoutDelayHint" in hints) hints.playoutDelayHint = 0;
}
