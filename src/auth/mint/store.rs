//! Development keys on disk: private, written whole or not at all, by one process at a time.
//!
//! Separate from signing, because here it is about files that others must not read.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::{Algorithm, DevelopmentKeys, MintError, SigningKey};

const JWKS: &str = "jwks.json";
const PRIVATE: u32 = 0o600;
const PUBLIC: u32 = 0o644;

pub(super) fn load_or_create(directory: &Path) -> Result<DevelopmentKeys, MintError> {
    make_private(directory).map_err(failed(directory))?;
    let guard = directory.join(".lock");
    let _held_until_return = lock(&guard).map_err(failed(&guard))?;

    let jwks = directory.join(JWKS);
    let files = Algorithm::ALL.map(|algorithm| (algorithm, directory.join(format!("{algorithm}.pem"))));
    // A JWKS without private keys is somebody's own, and writing over it would lock out everybody whom it proves.
    if jwks.exists() && !files.iter().any(|(_, path)| path.exists()) {
        return Err(MintError::Foreign(jwks));
    }

    let mut created = false;
    let mut keys = Vec::with_capacity(files.len());
    for (algorithm, path) in files {
        let pem = match fs::read(&path) {
            Ok(pem) => pem,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                created = true;
                let pem = algorithm.generate()?.into_bytes();
                replace(&path, &pem, PRIVATE).map_err(failed(&path))?;
                pem
            }
            Err(error) => return Err(failed(&path)(error)),
        };
        let key = SigningKey::parse(algorithm, &pem).map_err(|source| MintError::Key { path, algorithm, source })?;
        keys.push(key);
    }
    let keys = DevelopmentKeys { keys, jwks, created };
    publish(&keys).map_err(failed(&keys.jwks))?;
    Ok(keys)
}

/// Writes the public halves, unless the file holds just them.
fn publish(keys: &DevelopmentKeys) -> io::Result<()> {
    let mut json = serde_json::to_vec_pretty(&keys.public())?;
    json.push(b'\n');
    match fs::read(&keys.jwks) {
        Ok(there) if there == json => Ok(()),
        Ok(_) | Err(_) => replace(&keys.jwks, &json, PUBLIC),
    }
}

/// The directory itself is private; those above it, if they have to be made, are as usual.
fn make_private(directory: &Path) -> io::Result<()> {
    if let Some(parent) = directory.parent() {
        fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && directory.is_dir() => Ok(()),
        made => made,
    }
}

/// Locked until the file is dropped.
fn lock(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(PRIVATE).open(path)?;
    file.lock()?;
    Ok(file)
}

/// Puts a file in place as a whole: a reader sees the old one or the new one. Only under the lock.
fn replace(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let half = path.with_extension("new");
    // What a killed process has left would keep its mode, so it is not written over.
    match fs::remove_file(&half) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&half)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(half, path)
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> MintError {
    let path = path.to_path_buf();
    move |source| MintError::Io { path, source }
}
