// The centre's HTTP interface.

import type { IncidentDetail, IncidentView } from "./wire";

export interface Me {
  officer: string;
  role: string;
}

/** The centre answered, and the answer was no. */
export class Refusal extends Error {
  constructor(readonly status: number) {
    super(`the centre answered with status ${status}`);
  }
}

async function call(path: string, init: RequestInit = {}): Promise<Response> {
  const response = await fetch(path, { credentials: "same-origin", cache: "no-store", ...init });
  if (!response.ok) throw new Refusal(response.status);
  return response;
}

export async function login(name: string, password: string): Promise<void> {
  await call("/api/login", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name, password }),
  });
}

export async function logout(): Promise<void> {
  await call("/api/logout", { method: "POST" });
}

/** Who is signed in; null when nobody is. Throws when the centre cannot be asked. */
export async function me(): Promise<Me | null> {
  try {
    return (await (await call("/api/me")).json()) as Me;
  } catch (error) {
    if (error instanceof Refusal && (error.status === 401 || error.status === 403)) return null;
    throw error;
  }
}

export const HISTORY_PAGE = 50;

/** Incidents, newest press first, pressed before `before` (microseconds). */
export async function incidents(before?: number): Promise<IncidentView[]> {
  const query = new URLSearchParams({ limit: String(HISTORY_PAGE) });
  if (before !== undefined) query.set("before", String(before));
  return (await (await call(`/api/incidents?${query}`)).json()) as IncidentView[];
}

export async function incident(id: string, signal?: AbortSignal): Promise<IncidentDetail> {
  const init = signal === undefined ? {} : { signal };
  return (await (await call(`/api/incidents/${id}`, init)).json()) as IncidentDetail;
}

/** A fragment's bytes; index 0 is the header. */
export async function fragment(id: string, index: number, signal: AbortSignal): Promise<ArrayBuffer> {
  const response = await call(`/api/incidents/${id}/fragments/${index}`, { signal, cache: "default" });
  return response.arrayBuffer();
}

export function recordingUrl(id: string): string {
  return `/api/incidents/${id}/recording.mp4`;
}

/** Everything that proves a recording, as a zip. */
export function exportUrl(id: string): string {
  return `/api/incidents/${id}/export.zip`;
}
