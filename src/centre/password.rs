//! Passwords: Argon2id with the OWASP minimum (19 MiB, 2 passes), which is also the crate's default.

use argon2::Argon2;
use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};

/// Shortest password taken, characters.
pub const SHORTEST: usize = 8;
/// Longest password taken, bytes.
pub const LONGEST: usize = 256;

/// Why a password cannot be had.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PasswordError {
    /// Too short or too long.
    #[error("a password of {SHORTEST} characters to {LONGEST} bytes is needed, found {found} characters")]
    Length {
        /// Characters given.
        found: usize,
    },
    /// The hash function says no.
    #[error("password could not be hashed: {0}")]
    Hash(String),
}

/// The PHC string to keep of a password.
///
/// # Errors
/// [`PasswordError`].
pub fn hash(password: &str) -> Result<String, PasswordError> {
    let found = password.chars().count();
    if found < SHORTEST || password.len() > LONGEST {
        return Err(PasswordError::Length { found });
    }
    let salt = SaltString::generate(&mut OsRng);
    Argon2::default()
        .hash_password(password.as_bytes(), &salt)
        .map(|hash| hash.to_string())
        .map_err(|e| PasswordError::Hash(e.to_string()))
}

/// Whether `password` is the one kept as `kept`; without one the same work is done for nothing, so that
/// time does not tell which names exist.
#[must_use]
pub fn verify(password: &str, kept: Option<&str>) -> bool {
    // Any well-formed hash of the same parameters does: nothing is the password it was made from.
    const NOBODY: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$c29zLW5vYm9keS1zYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let matches = PasswordHash::new(kept.unwrap_or(NOBODY))
        .and_then(|hash| Argon2::default().verify_password(password.as_bytes(), &hash))
        .is_ok();
    matches && kept.is_some()
}

/// Whether a login name can be one: 1 to 32 of letters, digits, `.`, `_` and `-` (ASCII).
#[must_use]
pub fn is_name(name: &str) -> bool {
    (1..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_again_and_no_other() {
        let kept = hash("correct horse").expect("long enough");
        assert!(verify("correct horse", Some(&kept)));
        assert!(!verify("correct horsf", Some(&kept)));
        assert!(!verify("correct horse", None));
        assert!(!verify("correct horse", Some("not a hash")));
    }

    #[test]
    fn the_work_for_nobody_is_real_work() {
        let nobody = std::time::Instant::now();
        assert!(!verify("whatever it is", None));
        // A hash that cannot be read would be refused in microseconds.
        assert!(nobody.elapsed() > std::time::Duration::from_millis(1));
    }

    #[test]
    fn short_passwords_and_odd_names_are_refused() {
        assert_eq!(hash("short"), Err(PasswordError::Length { found: 5 }));
        assert!(is_name("aigerim.s-1"));
        assert!(!is_name("") && !is_name("a b") && !is_name("kiosk:x") && !is_name(&"x".repeat(33)));
    }
}
