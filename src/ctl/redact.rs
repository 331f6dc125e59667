//! Secrets out of text that leaves the kiosk: better a word too many is missing than a password too few.

/// What is put in their place.
const LEFT_OUT: &str = "(left out)";
/// Words after which a secret follows.
const WORDS: [&str; 7] = ["password", "passwd", "passphrase", "secret", "token", "psk", "authorization"];

/// `text` without private keys, credentials in URLs, and whatever follows a word like "password".
#[must_use]
pub fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_key = false;
    for line in text.lines() {
        let begins = line.contains("-----BEGIN") && line.contains("PRIVATE KEY");
        if begins {
            out += "(a private key, left out)\n";
            in_key = true;
        }
        let ends = line.contains("-----END") && line.contains("PRIVATE KEY");
        if !in_key {
            out += &words(&credentials(line));
            out.push('\n');
        }
        // On one line too: a key in JSON has its line ends escaped.
        if ends {
            in_key = false;
        }
    }
    out
}

/// `scheme://user:password@host` without the user and password.
fn credentials(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out += before;
        let end = after.find(['/', ' ', '"', '\'', '?']).unwrap_or(after.len());
        rest = match after[..end].rfind('@') {
            Some(sign) => {
                out += LEFT_OUT;
                &after[sign..]
            }
            None => after,
        };
    }
    out + rest
}

fn words(line: &str) -> String {
    let lower = line.to_ascii_lowercase();
    // ASCII lower case keeps every byte where it was.
    let found = WORDS.iter().filter_map(|word| lower.find(word).map(|at| at + word.len())).min();
    let Some(end) = found else { return line.to_owned() };
    match line[end..].find(['=', ':', ' ']) {
        Some(sign) => format!("{} {LEFT_OUT}", &line[..=end + sign]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::redact;

    #[test]
    fn secrets_are_left_out_and_the_rest_stays() {
        let key = "a\n-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----\nb\n";
        assert_eq!(redact(key), "a\n(a private key, left out)\nb\n");
        let url = "camera rtsp://admin:hunter2@10.0.0.5/stream and https://c:8444 x@y\n";
        assert_eq!(redact(url), "camera rtsp://(left out)@10.0.0.5/stream and https://c:8444 x@y\n");
        assert_eq!(redact("media.camera.password = \"hunter2\"\n"), "media.camera.password  (left out)\n");
        assert_eq!(redact("Password:hunter2 again\n"), "Password: (left out)\n");
        assert_eq!(redact("Орталық саябақ\n"), "Орталық саябақ\n");
    }
}
