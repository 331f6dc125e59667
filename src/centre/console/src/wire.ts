// What this page and the centre say to each other over the WebSocket: the mirror of `src/centre/page.rs`.
// Wall clocks are microseconds since 1970 UTC.

export type Standing = "waiting" | "answered" | "on_hold" | "closed";

export const VERDICTS = ["real", "prank", "test", "no_contact", "technical"] as const;
export type Verdict = (typeof VERDICTS)[number];

/** Instants of a call, in the order they are expected. */
export const MARKS = [
  "edge",
  "kept",
  "sent",
  "received",
  "acknowledged",
  "alarm_painted",
  "first_frame",
  "answered",
  "connected",
  "first_sound_up",
  "first_sound_down",
  "closed",
] as const;
export type Mark = (typeof MARKS)[number];
/** Those only a page can see. */
export type PageMark = "alarm_painted" | "first_frame" | "first_sound_up";

export const FAULTS = [
  "button_stuck",
  "camera_lost",
  "microphone_lost",
  "speaker_lost",
  "store_failed",
  "recording_failed",
  "recording_silent",
  "leg_down",
  "delivery_failed",
  "camera_frozen",
  "camera_covered",
  "camera_blurred",
  "microphone_deaf",
  "sound_path_broken",
  "panel_lost",
  "case_open",
  "disk_full",
  "temperature",
  "clock_wrong",
  "certificate_expiring",
  "config_broken",
  "not_proved",
  "store_replaced",
  "unknown",
] as const;
export type FaultKind = (typeof FAULTS)[number];

export interface Fault {
  kind: FaultKind;
  detail: string;
}

/** What an officer may switch in a call. */
export const OUTPUTS = ["strobe", "relay", "heater"] as const;
export type Output = (typeof OUTPUTS)[number];

export interface OutputState {
  output: Output;
  /** As the kiosk says it is, not as it was asked to be. */
  on: boolean;
}

export interface Place {
  name: string;
  /** Latitude and longitude in millionths of a degree. */
  position_e6?: [number, number] | null;
}

export interface RecordingView {
  header: boolean;
  /** Media fragments at the centre, the header not counted. */
  fragments: number;
  start_wall_us: number | null;
  duration_ms: number;
  complete: boolean;
  evidence: EvidenceView;
}

/** How the evidence of a recording stands. */
export const EVIDENCE = ["unsigned", "receiving", "verified", "broken"] as const;
export type EvidenceStanding = (typeof EVIDENCE)[number];

/** What is wrong with a fragment, or with the end. */
export const EVIDENCE_WRONG = ["unsigned", "signature", "key", "link", "witness", "seal"] as const;
export type EvidenceWrong = (typeof EVIDENCE_WRONG)[number];

/** What the kiosk's signatures prove of a recording. */
export interface EvidenceView {
  standing: EvidenceStanding;
  /** The first fragment of which something is wrong; absent where it is the end. */
  fragment?: number;
  why?: EvidenceWrong;
}

export interface IncidentView {
  id: string;
  kiosk: string;
  place: Place;
  origin: "button" | "second_button" | "control" | "unknown";
  standing: Standing;
  owner: string | null;
  pressed_wall_us: number;
  closed_wall_us: number | null;
  presses: number;
  verdict: Verdict | null;
  note: string;
  /** It is over at the kiosk, which has closed it or ended it by itself. */
  kiosk_closed: boolean;
  timing: Partial<Record<Mark, number>>;
  recording: RecordingView;
}

/** What the last full self-test of a kiosk found. */
export interface LastTest {
  ended_wall_us: number;
  good: boolean;
  /** The parts that did not do what they should. */
  failed?: string[];
  /** What the first of them was expected to do and what was found. */
  why?: string;
}

/** What a kiosk can read of its board. */
export interface Vitals {
  certificate_days?: number;
  disk_free_mb?: number;
  disk_total_mb?: number;
  store_writable?: boolean;
  temperature_c?: number;
  clock_synced?: boolean;
}

export interface KioskView {
  id: string;
  place: Place;
  alive: boolean;
  leg_up: boolean;
  faults: Fault[];
  outputs: OutputState[];
  /** A test call of it is under way. */
  testing: boolean;
  last_test: LastTest | null;
  /** Whether that proves that it would work. */
  proved: boolean;
  board: Vitals;
  seen_wall_us: number | null;
  version: string;
}

export type ToPage =
  | {
      type: "hello";
      officer: string;
      instance: string;
      wall_us: number;
      incidents: IncidentView[];
      kiosks: KioskView[];
      on_duty: string[];
      /** Recordings are refused for want of room. */
      archive_full: boolean;
    }
  | { type: "incident"; incident: IncidentView }
  | { type: "kiosk"; kiosk: KioskView }
  | { type: "on_duty"; officers: string[] }
  | { type: "archive"; full: boolean }
  | { type: "answer"; sdp: string }
  | { type: "watching"; incident: string | null }
  | { type: "reoffer" }
  | { type: "pong"; page_us: number; wall_us: number }
  | { type: "refused"; request: string; why: string };

export type FromPage =
  | { type: "duty"; on: boolean }
  | { type: "offer"; sdp: string }
  | { type: "watch"; incident: string | null }
  | { type: "answer"; incident: string }
  | { type: "hold"; incident: string }
  | { type: "switch"; incident: string; output: Output; on: boolean }
  | { type: "close"; incident: string; verdict: Verdict; note: string }
  | { type: "mark"; incident: string; mark: PageMark; at_us: number }
  | { type: "key_frame" }
  | { type: "ping"; page_us: number; offset_us: number | null; round_trip_us: number | null };

/** One entry of `GET /api/incidents/{id}`'s journal. */
export interface JournalEntry {
  at_us: number;
  who: string;
  what: string;
}

/** One fragment of `GET /api/incidents/{id}`. Index 0 is the header. */
export interface FragmentView {
  index: number;
  start_wall_us: number;
  duration_us: number;
  size: number;
  sha256: string;
}

export interface IncidentDetail {
  incident: IncidentView;
  journal: JournalEntry[];
  fragments: FragmentView[];
}
