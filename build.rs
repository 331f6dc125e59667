//! Builds the officers' console (TypeScript, Vite) into `src/centre/console/dist`, which the centre embeds.
//! Without the feature `centre` there is nothing to do, and neither Node nor npm is needed.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::SystemTime;

/// The console's own package.
const CONSOLE: &str = "src/centre/console";
/// What the console is made of; `dist` and `node_modules` are made from it.
const SOURCES: [&str; 7] =
    ["src", "public", "index.html", "package.json", "package-lock.json", "vite.config.ts", "tsconfig.json"];
/// Written by npm when an installation is complete.
const INSTALLED: &str = "node_modules/.package-lock.json";

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_CENTRE").is_none() {
        return ExitCode::SUCCESS;
    }
    let console = Path::new(CONSOLE);
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", console.join(source).display());
    }
    match build(console) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("sos: building the console needs npm: {why}");
            eprintln!("hint: Node 18 or newer with npm 9 or newer; or build without the feature `centre`");
            ExitCode::FAILURE
        }
    }
}

fn build(console: &Path) -> Result<(), String> {
    let installed = changed(&console.join(INSTALLED));
    if installed.is_none() || installed < changed(&console.join("package-lock.json")) {
        npm(console, &["ci"])?;
    }
    npm(console, &["run", "build"])?;
    let index = console.join("dist/index.html");
    if index.is_file() { Ok(()) } else { Err(format!("`npm run build` left no {}", index.display())) }
}

fn npm(console: &Path, arguments: &[&str]) -> Result<(), String> {
    let shown = format!("`npm {}` in {CONSOLE}", arguments.join(" "));
    let output = Command::new("npm")
        .args(arguments)
        .current_dir(console)
        .output()
        .map_err(|error| format!("{shown} could not be started: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Err(format!("{shown} failed, {}:\n{out}{err}", output.status))
}

/// When a file was last changed; none when it is not there.
fn changed(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|about| about.modified()).ok()
}
