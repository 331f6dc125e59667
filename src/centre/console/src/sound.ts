// Sounds the page makes itself, and the levels of the two voices. Synthesised: nothing is downloaded.

/** How loud the alarm is while the officer talks to somebody else: to be noticed, not to drown the person. */
const BESIDE_A_CALL = 0.06;
const ALONE = 0.55;

export class Sounds {
  private context: AudioContext | null = null;
  /** Made when the shift begins: nothing is computed at the moment of an alarm. */
  private alarm_buffer: AudioBuffer | null = null;
  private alarm: { source: AudioBufferSourceNode; gain: GainNode } | null = null;

  constructor(private readonly changed: (running: boolean) => void) {}

  /** To be called from a click: browsers let a page be heard only after one. */
  async unlock(): Promise<boolean> {
    const context = this.open();
    await Promise.race([context.resume(), new Promise((done) => setTimeout(done, 700))]);
    this.changed(context.state === "running");
    return context.state === "running";
  }

  open(): AudioContext {
    if (this.context === null) {
      const context = new AudioContext({ latencyHint: "interactive" });
      context.onstatechange = () => this.changed(context.state === "running");
      this.alarm_buffer = alarmSound(context.sampleRate);
      this.context = context;
    }
    return this.context;
  }

  /** Rings until told otherwise. */
  ring(on: boolean, beside_a_call: boolean): void {
    const context = this.context;
    if (context === null) return;
    if (!on) {
      this.alarm?.source.stop();
      this.alarm = null;
      return;
    }
    const level = beside_a_call ? BESIDE_A_CALL : ALONE;
    if (this.alarm !== null) {
      this.alarm.gain.gain.value = level;
      return;
    }
    const source = context.createBufferSource();
    source.buffer = this.alarm_buffer;
    // Looped by the sound card's clock: it goes on even when the page's timers are slowed down.
    source.loop = true;
    const gain = context.createGain();
    gain.gain.value = level;
    source.connect(gain).connect(context.destination);
    source.start();
    this.alarm = { source, gain };
  }

  /** Two falling notes: the page has lost the centre. */
  lost(): void {
    const context = this.context;
    if (context === null || context.state !== "running") return;
    for (const [index, frequency] of [392, 262].entries()) {
      const at = context.currentTime + index * 0.22;
      const tone = context.createOscillator();
      const gain = context.createGain();
      tone.type = "triangle";
      tone.frequency.value = frequency;
      gain.gain.setValueAtTime(0, at);
      gain.gain.linearRampToValueAtTime(0.35, at + 0.015);
      gain.gain.exponentialRampToValueAtTime(0.001, at + 0.2);
      tone.connect(gain).connect(context.destination);
      tone.start(at);
      tone.stop(at + 0.22);
    }
  }
}

/** 1.6 s: three quick rising pairs of tones, rich in overtones so that small loudspeakers carry them, then a rest. */
function alarmSound(rate: number): AudioBuffer {
  const buffer = new AudioBuffer({ length: Math.round(rate * 1.6), sampleRate: rate });
  const out = buffer.getChannelData(0);
  const note = 0.15;
  for (let index = 0; index < 6; index += 1) {
    const frequency = index % 2 === 0 ? 784 : 1047;
    const from = Math.round(rate * (index * 0.16));
    for (let n = 0; n < rate * note; n += 1) {
      const t = n / rate;
      const shape = Math.min(1, t / 0.006, (note - t) / 0.02);
      let value = 0;
      for (let harmonic = 1; harmonic <= 5; harmonic += 1) {
        value += Math.sin(2 * Math.PI * frequency * harmonic * t) / harmonic;
      }
      out[from + n] = 0.45 * shape * value;
    }
  }
  return buffer;
}

/** The level of a stream, of its last ten milliseconds. */
export class Level {
  private readonly source: MediaStreamAudioSourceNode;
  private readonly analyser: AnalyserNode;
  private readonly samples: Float32Array<ArrayBuffer>;

  constructor(context: AudioContext, stream: MediaStream) {
    this.source = context.createMediaStreamSource(stream);
    this.analyser = context.createAnalyser();
    this.analyser.fftSize = 512;
    this.analyser.smoothingTimeConstant = 0;
    this.samples = new Float32Array(this.analyser.fftSize);
    this.source.connect(this.analyser);
  }

  /** dB below full scale, −120 for silence. */
  dbfs(): number {
    this.analyser.getFloatTimeDomainData(this.samples);
    let sum = 0;
    for (const sample of this.samples) sum += sample * sample;
    const mean = sum / this.samples.length;
    return mean > 1e-12 ? 10 * Math.log10(mean) : -120;
  }

  close(): void {
    this.source.disconnect();
  }
}
