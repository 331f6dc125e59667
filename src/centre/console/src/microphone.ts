// The officer's microphone: opened once per shift (asking takes seconds), silent until a call is answered.

import { microphone } from "./store";

export class Microphone {
  private track: MediaStreamTrack | null = null;
  private heard = false;

  /** `changed` gets every new track, and null when it is gone. */
  constructor(private readonly changed: (track: MediaStreamTrack | null) => void) {
    navigator.mediaDevices?.addEventListener("devicechange", () => {
      const now = microphone.peek();
      if (now === "gone" || now === "refused") void this.open();
    });
  }

  async open(): Promise<void> {
    if (microphone.peek() === "asking" || this.track !== null) return;
    microphone.value = "asking";
    try {
      // Absent where the page did not come over HTTPS: then there is no microphone to be had.
      if (navigator.mediaDevices === undefined) throw new Error("no microphone without HTTPS");
      const stream = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 },
      });
      const track = stream.getAudioTracks()[0] ?? null;
      // The shift may have ended while the browser was asking.
      if (microphone.peek() !== "asking" || track === null) {
        for (const unwanted of stream.getTracks()) unwanted.stop();
        return;
      }
      this.track = track;
      track.enabled = this.heard;
      track.onended = () => {
        this.track = null;
        microphone.value = "gone";
        this.changed(null);
      };
      microphone.value = "ready";
      this.changed(track);
    } catch (error) {
      console.warn("the microphone cannot be opened:", error);
      if (microphone.peek() === "asking") microphone.value = "refused";
    }
  }

  /** Whether the officer is heard. */
  hear(on: boolean): void {
    this.heard = on;
    if (this.track !== null) this.track.enabled = on;
  }

  close(): void {
    if (this.track !== null) {
      this.track.onended = null;
      this.track.stop();
      this.track = null;
      this.changed(null);
    }
    microphone.value = "off";
  }
}
