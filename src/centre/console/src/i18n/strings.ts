// Every sentence of the page. A language is complete when it has this type.

import type { EvidenceStanding, EvidenceWrong, FaultKind, Mark, Output, Standing, Verdict } from "../wire";
import type { Condition } from "../state";
import type { Units } from "../timing";

export interface Strings {
  /** How the language calls itself, in full and in three letters. */
  name: string;
  code: string;
  product: string;

  login: {
    title: string;
    name: string;
    password: string;
    submit: string;
    busy: string;
    wrong: string;
    too_often: string;
    unreachable: string;
  };

  duty: {
    on: string;
    off: string;
    title: string;
    explain: string;
    go: string;
    leave: string;
    leave_refused: string;
    sign_out: string;
    officers: (count: number) => string;
    nobody: string;
    waiting: (count: number) => string;
  };

  line: {
    centre: string;
    media: string;
    microphone: string;
    sound: string;
    fine: string;
    connecting: string;
    broken: string;
    asking: string;
    off: string;
    muted: string;
  };

  banner: {
    sound_blocked: string;
    sound_button: string;
    microphone_refused: string;
    microphone_gone: string;
    microphone_button: string;
    media_lost: string;
    archive_full: string;
    lost_title: string;
    lost_explain: string;
    lost_since: (clock: string) => string;
  };

  standing: Record<Standing, string>;
  /** The big word of an incident another officer has. */
  other_talks: string;
  talking: string;
  alarm: string;

  incident: {
    list: string;
    none: string;
    since_press: string;
    length: string;
    pressed_at: string;
    presses: (count: number) => string;
    /** The kiosk has ended by itself what is open here. */
    kiosk_ended: string;
    by_control: string;
    by_second: string;
    owner: string;
    on_duty_first: string;
    not_talking_here: string;
    calls_on_hold: string;
  };

  picture: {
    live: string;
    wait: string;
    carried_elsewhere: string;
    stalled: string;
    no_media: string;
  };

  act: {
    answer: string;
    take_back: string;
    take_over: string;
    asked: string;
    hold: string;
    close: string;
    mute: string;
    unmute: string;
    hold_to_talk: string;
    hold_space_to_talk: string;
    let_go_to_listen: string;
    muted: string;
    back: string;
    you: string;
    person: string;
  };

  /** What an officer may switch, and how it is. */
  outputs: { name: Record<Output, string>; on: string; off: string };

  verdict: Record<Verdict, string>;
  verdict_means: Record<Verdict, string>;

  close: {
    title: string;
    note: string;
    note_hint: string;
    confirm: string;
    cancel: string;
    choose: string;
  };

  player: {
    before_press: string;
    before_press_hint: string;
    play_back: string;
    stop: string;
    none_yet: string;
    none: string;
    loading: string;
    cannot: string;
    press: string;
    closed: string;
    play: string;
    pause: string;
    sound_on: string;
    sound_off: string;
    download: string;
    incomplete: string;
    seek: string;
  };

  /** What the kiosk's signatures prove of the recording. */
  evidence: {
    title: string;
    standing: Record<EvidenceStanding, string>;
    wrong: Record<EvidenceWrong, string>;
    fragment: (index: number) => string;
    end: string;
    export: string;
  };

  kiosks: {
    title: string;
    condition: Record<Condition, string>;
    fault: Record<FaultKind, string>;
    seen: (age: string) => string;
    never_seen: string;
    ready: (ready: number, all: number) => string;
    all_ready: string;
    none: string;
    attention: string;
    /** Proved by the nightly self-test, or not. */
    proved: (age: string) => string;
    not_proved: string;
    test_failed: (age: string) => string;
    testing: string;
    /** What a kiosk says of its board. */
    board: {
      certificate: (days: number) => string;
      disk: (gigabytes: string) => string;
      degrees: (celsius: string) => string;
      read_only: string;
      clock_unset: string;
    };
    proved_of: (proved: number, all: number) => string;
  };

  /** Units of time: "12 ms", "12 s", "3 min", "2 h", "5 d". */
  unit: Units & { h: string; d: string };

  idle: { title: string; alarms: (count: number) => string; off_title: string };

  history: {
    title: string;
    none: string;
    more: string;
    failed: string;
    journal: string;
    note: string;
    verdict: string;
    no_verdict: string;
  };

  timing: { title: string; mark: Record<Mark, string>; after_answer: string };

  keys: {
    title: string;
    answer: string;
    hold: string;
    close: string;
    verdict: string;
    mute: string;
    hold_to_talk: string;
    outputs: string;
    choose: string;
    play: string;
    pause: string;
    seek: string;
    back: string;
    language: string;
    keys: string;
    space: string;
  };

  refused: {
    answer: string;
    hold: string;
    close: string;
    duty: string;
    switch: string;
  };
}
