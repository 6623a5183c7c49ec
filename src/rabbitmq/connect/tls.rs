//! What a connection by TLS trusts and shows, and what its failures mean. Separate, because all of `rustls` that the broker
//! needs is here.

use std::fmt::Display;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use lapin::tcp::{RustlsConnector, RustlsConnectorConfig};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What a connection by TLS trusts and shows: files in PEM, each empty where none is named.
#[derive(Clone, Debug, Default)]
pub struct TlsFiles {
    /// Authorities that are trusted; those of the system if it is empty.
    pub ca_file: PathBuf,
    /// The certificate that is shown to a broker that asks for one.
    pub client_cert_file: PathBuf,
    /// Its private key.
    pub client_key_file: PathBuf,
}

/// Reads the files. For every connection anew: certificates are renewed while the program runs.
pub(super) async fn connector(files: TlsFiles) -> io::Result<RustlsConnector> {
    // Some of them are large: not in the way of what else the thread has to do.
    let built =
        tokio::task::spawn_blocking(move || build(&files.ca_file, &files.client_cert_file, &files.client_key_file));
    built.await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

fn build(ca: &Path, certificate: &Path, key: &Path) -> io::Result<RustlsConnector> {
    let trusting = if ca.as_os_str().is_empty() {
        RustlsConnectorConfig::new_with_native_certs().map_err(|error| {
            io::Error::new(error.kind(), format!("the system's CA certificates (package ca-certificates): {error}"))
        })?
    } else {
        // Whoever names an authority means that one, and no other.
        RustlsConnectorConfig::default().with_parsable_certificates(certificates("broker.ca_file", ca)?)
    };
    if certificate.as_os_str().is_empty() {
        return trusting.connector_with_no_client_auth();
    }
    let shown = certificates("broker.client_cert_file", certificate)?;
    // What the library says of a line of this file is not told: it may quote it.
    let key = PrivateKeyDer::from_pem_slice(&read("broker.client_key_file", key)?)
        .map_err(|_| unusable("broker.client_key_file", key, &"holds no private key that can be read"))?;
    trusting
        .connector_with_single_cert(shown, key)
        .map_err(|error| unusable("broker.client_cert_file", certificate, &format_args!("with its key: {error}")))
}

fn certificates(name: &str, file: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let text = read(name, file)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = read.map_err(|error| unusable(name, file, &error))?;
    if found.is_empty() { Err(unusable(name, file, &"holds no certificate in PEM")) } else { Ok(found) }
}

fn read(name: &str, file: &Path) -> io::Result<Vec<u8>> {
    std::fs::read(file).map_err(|error| unusable(name, file, &error))
}

fn unusable(name: &str, file: &Path, problem: &dyn Display) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, format!("{name} = {}: {problem}", file.display()))
}

/// What an error of a connection by TLS means, as far as it is about TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The broker's certificate is not trusted, or is another host's.
    Untrusted,
    /// The broker took leave in the middle of it.
    Refused,
    /// The other side does not speak TLS.
    Foreign,
}

impl Trouble {
    pub(super) fn of(error: &io::Error) -> Option<Self> {
        let said = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match said {
            Some(rustls::Error::InvalidCertificate(_)) => Some(Self::Untrusted),
            Some(rustls::Error::AlertReceived(_)) => Some(Self::Refused),
            Some(rustls::Error::InvalidMessage(_)) => Some(Self::Foreign),
            // A certificate is asked for when TLS 1.3 is settled for us already; the alert that says so may be overtaken by
            // the end of the connection.
            _ => left(error.kind()).then_some(Self::Refused),
        }
    }
}

fn left(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe
    )
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};
    use std::path::Path;

    use super::{Trouble, build};

    #[test]
    fn what_tls_says_is_told_apart() {
        let of = |error: rustls::Error| Trouble::of(&Error::new(ErrorKind::InvalidData, error));
        let mistrusted = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        assert_eq!(of(mistrusted), Some(Trouble::Untrusted));
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRequired);
        assert_eq!(of(alert), Some(Trouble::Refused));
        let plain = rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
        assert_eq!(of(plain), Some(Trouble::Foreign));
        assert_eq!(Trouble::of(&ErrorKind::ConnectionReset.into()), Some(Trouble::Refused));
        assert_eq!(Trouble::of(&ErrorKind::TimedOut.into()), None);
    }

    #[test]
    fn a_file_that_is_of_no_use_is_named_with_its_key() {
        let [none, manifest, nowhere] = ["", "Cargo.toml", "/nowhere.pem"].map(Path::new);
        let said = build(nowhere, none, none).unwrap_err().to_string();
        assert!(said.starts_with("broker.ca_file = /nowhere.pem: "), "{said}");
        let said = build(manifest, none, none).unwrap_err().to_string();
        assert!(said.starts_with("broker.ca_file = Cargo.toml: holds no certificate"), "{said}");
    }
}
