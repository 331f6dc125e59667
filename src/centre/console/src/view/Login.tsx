// Signing in.

import { useSignal } from "@preact/signals";
import { Refusal } from "../api";
import { t } from "../i18n";
import { signIn } from "../shift";
import { LanguageButton } from "./TopBar";

function because(error: unknown): "wrong" | "too_often" | "unreachable" {
  if (!(error instanceof Refusal)) return "unreachable";
  if (error.status === 429) return "too_often";
  return error.status === 401 ? "wrong" : "unreachable";
}

export function Login() {
  const name = useSignal("");
  const password = useSignal("");
  const busy = useSignal(false);
  const wrong = useSignal<"" | "wrong" | "too_often" | "unreachable">("");
  const words = t().login;

  async function submit(event: Event): Promise<void> {
    event.preventDefault();
    busy.value = true;
    wrong.value = "";
    try {
      await signIn(name.value, password.value);
    } catch (error) {
      wrong.value = because(error);
      password.value = "";
    } finally {
      busy.value = false;
    }
  }

  return (
    <div class="login">
      <div class="login-language">
        <LanguageButton />
      </div>
      <form class="login-card" onSubmit={(event) => void submit(event)}>
        <div class="ring" aria-hidden="true">
          <span>SOS</span>
        </div>
        <h1>{words.title}</h1>
        <p class="dim">{t().product}</p>
        <label>
          {words.name}
          <input
            data-testid="login-name"
            autocomplete="username"
            autofocus
            required
            value={name}
            onInput={(event) => (name.value = event.currentTarget.value)}
          />
        </label>
        <label>
          {words.password}
          <input
            data-testid="login-password"
            type="password"
            autocomplete="current-password"
            required
            value={password}
            onInput={(event) => (password.value = event.currentTarget.value)}
          />
        </label>
        <p class="login-error" role="alert">
          {wrong.value !== "" && words[wrong.value]}
        </p>
        <button class="primary" data-testid="login-submit" type="submit" disabled={busy}>
          {busy.value ? words.busy : words.submit}
        </button>
      </form>
    </div>
  );
}
