//! An officer at a real Chromium, driven over WebDriver.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::centre_side::CentreSide;
use super::process::{Process, free_port};
use super::until;

/// Starting a browser on a loaded machine takes its time.
const BROWSER_WITHIN: Duration = Duration::from_secs(30);

/// How the browser is started.
#[derive(Debug, Clone, Default)]
pub struct Browser {
    /// A WAV file the microphone hears, over and over; none: Chromium's beeps.
    pub microphone: Option<PathBuf>,
    /// Runs in the page before its own code.
    pub before_page: Option<String>,
    /// `kk`, `ru` or `en`; none: English.
    pub language: Option<&'static str>,
}

pub struct Officer {
    pub client: Client,
    driver: Process,
    _profile: TempDir,
}

/// However a test ends, no browser of its stays: chromedriver starts it in a group of its own.
impl Drop for Officer {
    fn drop(&mut self) {
        let profile = self._profile.path().display().to_string();
        let _ = std::process::Command::new("pkill").args(["-KILL", "-f", &profile]).status();
    }
}

/// A Chrome DevTools command through WebDriver.
#[derive(Debug)]
struct DevTools(&'static str, Value);

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }
    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(json!({"cmd": self.0, "params": self.1}).to_string()))
    }
}

impl Officer {
    /// Opens a browser; no page yet.
    pub async fn open(browser: &Browser, logs: &Path) -> Result<Self> {
        let profile = tempfile::Builder::new().prefix("sos-chromium-").tempdir()?;
        let port = free_port()?;
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={port}"));
        let mut driver = Process::start("chromedriver", &mut command, logs)?;
        driver.listens(port).await?;
        let url = format!("http://127.0.0.1:{port}");
        let capabilities = capabilities(browser, profile.path());
        let client = tokio::time::timeout(BROWSER_WITHIN, connect(&url, capabilities))
            .await
            .with_context(|| format!("no browser within {BROWSER_WITHIN:?}; log:\n{}", driver.tail()))?
            .with_context(|| format!("no browser; log:\n{}", driver.tail()))?;
        client.set_window_size(1600, 900).await?;
        let officer = Self { client, driver, _profile: profile };
        if let Some(script) = &browser.before_page {
            let command = DevTools("Page.addScriptToEvaluateOnNewDocument", json!({"source": script}));
            officer.client.issue_cmd(command).await?;
        }
        Ok(officer)
    }

    /// Logs in and goes on duty.
    pub async fn on_duty(&self, world: &CentreSide, name: &str) -> Result<()> {
        self.log_in(world, name).await?;
        self.go_on_duty().await
    }

    pub async fn log_in(&self, world: &CentreSide, name: &str) -> Result<()> {
        self.client.goto(&world.console()).await?;
        self.find("login-name").await?.send_keys(name).await?;
        self.find("login-password").await?.send_keys(&world.password).await?;
        self.click("login-submit").await?;
        self.find("go-on-duty").await?;
        Ok(())
    }

    /// One click, and waits until the page's media connection stands.
    pub async fn go_on_duty(&self) -> Result<()> {
        self.click("go-on-duty").await?;
        self.js_until("on duty with media", BROWSER_WITHIN, "return window.__sos?.pc?.connectionState === 'connected'")
            .await
    }

    pub async fn find(&self, id: &str) -> Result<fantoccini::elements::Element> {
        let css = format!("[data-testid='{id}']");
        let wait = self.client.wait().at_most(Duration::from_secs(20));
        wait.for_element(Locator::Css(&css)).await.with_context(|| format!("no element {id}"))
    }

    pub async fn click(&self, id: &str) -> Result<()> {
        self.find(id).await?.click().await.with_context(|| format!("click {id}"))
    }

    /// Presses a key on the page.
    pub async fn key(&self, key: &str) -> Result<()> {
        self.client.find(Locator::Css("body")).await?.send_keys(key).await.with_context(|| format!("key {key:?}"))
    }

    /// Holds a key down on the page.
    pub async fn hold(&self, key: char) -> Result<()> {
        self.on_the_keyboard(KeyAction::Down { value: key }).await
    }

    /// Lets go of a held key.
    pub async fn let_go(&self, key: char) -> Result<()> {
        self.on_the_keyboard(KeyAction::Up { value: key }).await
    }

    async fn on_the_keyboard(&self, action: KeyAction) -> Result<()> {
        let what = format!("{action:?}");
        let actions = KeyActions::new("keyboard".to_owned()).then(action);
        self.client.perform_actions(actions).await.context(what)
    }

    /// Answers the alarm on the stage by its key.
    pub async fn answer(&self) -> Result<()> {
        self.key("\u{E007}").await
    }

    /// Closes the incident on the stage with a verdict (`real`, `test` ..).
    pub async fn close_as(&self, verdict: &str) -> Result<()> {
        self.key("c").await?;
        self.click(&format!("verdict-{verdict}")).await?;
        self.click("verdict-confirm").await
    }

    pub async fn js(&self, script: &str, arguments: Vec<Value>) -> Result<Value> {
        self.client.execute(script, arguments).await.with_context(|| script.to_owned())
    }

    /// Waits until a script answers true.
    pub async fn js_until(&self, what: &str, bound: Duration, script: &str) -> Result<()> {
        let found = until(what, bound, || async {
            (self.client.execute(script, vec![]).await.ok()? == json!(true)).then_some(())
        })
        .await;
        if let Err(error) = found {
            let state = self.client.execute("return document.body.innerText", vec![]).await;
            bail!("{error}; the page shows: {state:?}");
        }
        Ok(())
    }

    /// Waits until the page shows this incident in this standing.
    pub async fn sees(&self, incident: &str, standing: &str) -> Result<()> {
        let script = format!(
            "return !!document.querySelector(\"[data-testid='incident-card'][data-id='{incident}']\
             [data-standing='{standing}']\")"
        );
        self.js_until(&format!("incident {incident} {standing}"), Duration::from_secs(20), &script).await
    }

    /// Waits until a live picture moves: frames are decoded and the picture is not black.
    pub async fn picture_moves(&self) -> Result<()> {
        let script = "const v = window.__sos?.videoEl; if (!v || !v.videoWidth) return false; \
                      const now = v.getVideoPlaybackQuality().totalVideoFrames; \
                      window.__framesBefore ??= now; return now > window.__framesBefore + 10;";
        self.js("window.__framesBefore = undefined", vec![]).await?;
        self.js_until("a moving picture", Duration::from_secs(20), script).await
    }

    pub async fn screenshot(&self, path: &Path) -> Result<()> {
        let png = self.client.screenshot().await?;
        std::fs::write(path, png).with_context(|| path.display().to_string())
    }

    /// The browser vanishes: no goodbye of any kind.
    pub async fn vanish(mut self) -> Result<()> {
        // Not by WebDriver, which would let the page say goodbye: dropping it kills the browser.
        self.driver.kill().await
    }

    pub async fn close(mut self) -> Result<()> {
        self.client.clone().close().await?;
        self.driver.terminate().await?;
        Ok(())
    }
}

async fn connect(url: &str, capabilities: Capabilities) -> Result<Client> {
    let connector = hyper_util::client::legacy::connect::HttpConnector::new();
    Ok(ClientBuilder::new(connector).capabilities(capabilities).connect(url).await?)
}

fn capabilities(browser: &Browser, profile: &Path) -> Capabilities {
    let mut arguments = vec![
        "--headless=new".to_owned(),
        "--no-sandbox".to_owned(),
        "--disable-gpu".to_owned(),
        "--no-first-run".to_owned(),
        "--disable-background-networking".to_owned(),
        "--disable-component-update".to_owned(),
        "--disable-sync".to_owned(),
        "--disable-quic".to_owned(),
        // A page in the background would be slowed down; an officer's console is in front.
        "--disable-backgrounding-occluded-windows".to_owned(),
        "--disable-renderer-backgrounding".to_owned(),
        "--allow-loopback-in-peer-connection".to_owned(),
        "--ignore-certificate-errors".to_owned(),
        "--use-fake-ui-for-media-stream".to_owned(),
        "--use-fake-device-for-media-stream".to_owned(),
        format!("--lang={}", browser.language.unwrap_or("en")),
        format!("--user-data-dir={}", profile.display()),
    ];
    if let Some(file) = &browser.microphone {
        arguments.push(format!("--use-file-for-fake-audio-capture={}", file.display()));
    }
    let mut capabilities = Capabilities::new();
    capabilities.insert(
        "goog:chromeOptions".to_owned(),
        json!({"args": arguments, "prefs": {"intl.accept_languages": browser.language.unwrap_or("en")}}),
    );
    capabilities
}
