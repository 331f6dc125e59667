// Who hears whom. In hold-to-talk one at a time, so that no sound goes round from the kiosk's loudspeaker through the
// officer's room and back: a site that howls is still usable.

export interface Talk {
  call: boolean;
  muted: boolean;
  holdToTalk: boolean;
  /** The key is held. */
  talking: boolean;
}

export function officerIsHeard(now: Talk): boolean {
  return now.call && !now.muted && (!now.holdToTalk || now.talking);
}

export function personIsHeard(now: Talk): boolean {
  return now.call && !(now.holdToTalk && now.talking && !now.muted);
}
