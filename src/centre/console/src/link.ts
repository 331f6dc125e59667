// The WebSocket to the centre: always there or being brought back.

import { backoff } from "./backoff";
import { wallUs } from "./clock";
import type { ClockOffset } from "./clock";
import type { FromPage, ToPage } from "./wire";

/** Pings right after connecting, so that the clock offset is known before the first alarm. */
const FIRST_PINGS = 6;
const FIRST_PING_EVERY_MS = 60;
const PING_EVERY_MS = 2000;
/** Nothing heard for this long, with a ping every two seconds: the connection is dead though it looks alive. */
const SILENT_AFTER_MS = 3500;
/** An attempt to connect that has come to nothing by now is given up. */
const CONNECT_WITHIN_MS = 3000;

export interface LinkEvents {
  message(message: ToPage): void;
  /** The connection broke, or an attempt failed. Told once per attempt. */
  lost(attempt: number): void;
}

export class Link {
  private socket: WebSocket | null = null;
  private attempt = 0;
  private heard_ms = 0;
  private opened_ms = 0;
  private pings = 0;
  private wanted = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private ticker: Worker | null = null;

  constructor(
    private readonly url: string,
    private readonly clock: ClockOffset,
    private readonly events: LinkEvents,
  ) {}

  start(): void {
    if (this.wanted) return;
    this.wanted = true;
    // A worker's timer is not slowed down when the page is in a background tab: the centre would call us gone.
    this.ticker = new Worker(new URL("./ticker.ts", import.meta.url), { type: "module" });
    this.ticker.onmessage = () => this.tick();
    window.addEventListener("online", this.hurry);
    this.connect();
  }

  stop(): void {
    this.wanted = false;
    clearTimeout(this.timer);
    this.ticker?.terminate();
    this.ticker = null;
    window.removeEventListener("online", this.hurry);
    this.drop();
  }

  send(message: FromPage): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  private readonly hurry = (): void => {
    if (!this.wanted || this.socket?.readyState === WebSocket.OPEN) return;
    clearTimeout(this.timer);
    this.attempt = 0;
    this.connect();
  };

  private connect(): void {
    this.drop();
    const socket = new WebSocket(this.url);
    this.socket = socket;
    this.opened_ms = performance.now();
    this.heard_ms = this.opened_ms;
    socket.onopen = () => {
      this.heard_ms = performance.now();
      this.pings = 0;
      this.ping();
    };
    socket.onmessage = (event) => this.hear(socket, event.data);
    socket.onclose = () => this.broken(socket);
  }

  /** Lets go of the socket without waiting for its farewell: a dead peer never gives one. */
  private drop(): void {
    const socket = this.socket;
    this.socket = null;
    if (socket === null) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  private broken(socket: WebSocket): void {
    if (this.socket !== socket || !this.wanted) return;
    this.drop();
    this.events.lost(this.attempt);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.connect(), backoff(this.attempt, Math.random()));
    this.attempt += 1;
  }

  private hear(socket: WebSocket, data: unknown): void {
    if (this.socket !== socket || typeof data !== "string") return;
    const came_us = wallUs();
    this.heard_ms = performance.now();
    let message: ToPage;
    try {
      message = JSON.parse(data) as ToPage;
    } catch {
      console.error("the centre sent something that is not JSON", data.slice(0, 200));
      return;
    }
    if (message.type === "pong") {
      this.clock.add(message.page_us, message.wall_us, came_us);
      if (this.pings < FIRST_PINGS) setTimeout(() => this.ping(), FIRST_PING_EVERY_MS);
      return;
    }
    if (message.type === "hello") {
      this.attempt = 0;
      this.clock.forget();
      this.clock.guess(message.wall_us, came_us);
    }
    this.events.message(message);
  }

  private ping(): void {
    this.pings += 1;
    const best = this.clock.measured();
    this.send({
      type: "ping",
      page_us: wallUs(),
      offset_us: best?.offset_us ?? null,
      round_trip_us: best?.round_trip_us ?? null,
    });
  }

  /** Every half second: ping when it is time, and notice a silence. */
  private ticks = 0;
  private tick(): void {
    const socket = this.socket;
    if (socket === null) return;
    this.ticks += 1;
    const now = performance.now();
    if (socket.readyState === WebSocket.CONNECTING) {
      if (now - this.opened_ms > CONNECT_WITHIN_MS) this.broken(socket);
    } else if (now - this.heard_ms > SILENT_AFTER_MS) {
      this.broken(socket);
    } else if (this.ticks % (PING_EVERY_MS / 500) === 0) {
      this.ping();
    }
  }
}
