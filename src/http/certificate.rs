//! A self-signed certificate, and TLS with it, for clients that are set to trust exactly this one.
//!
//! Invariants:
//! - The certificate is stored in a file that only its owner can read, and a restart loads it. A new one is made if the
//!   file cannot be used or is for another host.
//! - The key leaves the process for that file only.
//! - It is valid whatever the clock says: a board may start with any time. Its dates protect nothing, because clients
//!   got it from this service. So they are rcgen's default, 1975 to 4096, and it is never renewed.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair};
use tempfile::NamedTempFile;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, InvalidDnsNameError, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{self, ServerConfig};
use tracing::{info, warn};

/// The longest common name (RFC 5280, appendix A.1, `ub-common-name`).
const COMMON_NAME_LIMIT: usize = 64;

/// The common name if the host is longer. Clients compare the subject alternative name and ignore this one.
const FALLBACK_COMMON_NAME: &str = "probewatch";

/// Characters on a line of PEM (RFC 7468, section 2).
const PEM_LINE: usize = 64;

/// A certificate with its key, ready to serve.
pub struct Certificate {
    der: CertificateDer<'static>,
    tls: Arc<ServerConfig>,
}

/// Why a certificate cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The host's name is not valid.
    #[error(transparent)]
    Host(#[from] InvalidDnsNameError),
    /// rcgen failed.
    #[error(transparent)]
    Make(#[from] rcgen::Error),
    /// rustls cannot serve with it.
    #[error(transparent)]
    Serve(#[from] rustls::Error),
}

/// Why a stored certificate cannot be used.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error(transparent)]
    Read(#[from] io::Error),
    #[error("the file is damaged: {0}")]
    Pem(#[from] pem::Error),
    #[error("the certificate and its key cannot be used for the host: {0}")]
    Tls(#[from] rustls::Error),
}

impl Certificate {
    /// Loads the certificate for `host`, a domain name or an IP address, from `file`, or makes a new one and stores it
    /// there. If it cannot be stored, it is used until the process ends.
    ///
    /// # Errors
    /// [`CertificateError`] if none can be made.
    pub fn load_or_create(file: &Path, host: &str) -> Result<Self, CertificateError> {
        let host = ServerName::try_from(host)?;
        match load(file, &host) {
            Ok(certificate) => return Ok(certificate),
            Err(LoadError::Read(error)) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                warn!(event = "certificate_unusable", path = %file.display(), %error, "could not use the stored certificate; making a new one");
            }
        }
        let host = host.to_str();
        let key = KeyPair::generate()?;
        let certificate = params(&host)?.self_signed(&key)?;
        let key = PrivateKeyDer::try_from(key.serialize_der())
            .map_err(|error| rustls::Error::General(error.into()))?;
        match store(file, &key, certificate.der()) {
            Ok(()) => {
                info!(event = "certificate_created", %host, path = %file.display(), "made a certificate")
            }
            Err(error) => warn!(
                event = "certificate_not_stored",
                %host,
                path = %file.display(),
                %error,
                "could not store the certificate; the next start makes another"
            ),
        }
        Ok(Self::new(certificate.into(), key)?)
    }

    fn new(der: CertificateDer<'static>, key: PrivateKeyDer<'static>) -> Result<Self, rustls::Error> {
        let tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![der.clone()], key)?;
        Ok(Self { der, tls: Arc::new(tls) })
    }

    /// The certificate in PEM, without the key.
    pub fn to_pem(&self) -> String {
        to_pem("CERTIFICATE", &self.der)
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.tls))
    }
}

fn params(host: &str) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(vec![host.to_owned()])?;
    let common_name = if host.len() <= COMMON_NAME_LIMIT { host } else { FALLBACK_COMMON_NAME };
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

fn load(file: &Path, host: &ServerName<'_>) -> Result<Certificate, LoadError> {
    let text = fs::read(file)?;
    let key = PrivateKeyDer::from_pem_slice(&text)?;
    let der = CertificateDer::from_pem_slice(&text)?;
    verify_server_name(&ParsedCertificate::try_from(&der)?, host)?;
    Ok(Certificate::new(der, key)?)
}

/// Stores key and certificate in one file, so that a crash leaves both or none.
fn store(file: &Path, key: &PrivateKeyDer<'_>, certificate: &CertificateDer<'_>) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    // Created readable by its owner only.
    let mut temporary = NamedTempFile::new_in(folder)?;
    temporary.write_all(to_pem("PRIVATE KEY", key.secret_der()).as_bytes())?;
    temporary.write_all(to_pem("CERTIFICATE", certificate).as_bytes())?;
    temporary.as_file().sync_all()?;
    temporary.persist(file)?;
    Ok(())
}

fn to_pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = STANDARD.encode(der);
    while !rest.is_empty() {
        let next = rest.split_off(PEM_LINE.min(rest.len()));
        text.push_str(&rest);
        text.push('\n');
        rest = next;
    }
    text + &format!("-----END {label}-----\n")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_certificate_is_kept_while_it_can_be_used() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("webhook.pem");
        let kept = |host: &str| Certificate::load_or_create(&file, host).unwrap().to_pem();
        let long = format!("{}.example.org", ["a".repeat(60), "b".repeat(60)].join("."));
        for host in ["bot.example.org", "203.0.113.7", &long, "xn--bcher-kva.example"] {
            let made = kept(host);
            assert_eq!(kept(host), made, "{host}");
            assert_ne!(kept("other.example"), made, "{host}");
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let made = kept("bot.example.org");
        let whole = fs::read_to_string(&file).unwrap();
        let (key, certificate) = whole.split_at(whole.find("-----BEGIN CERTIFICATE").unwrap());
        assert_eq!(certificate, made);
        kept("other.example");
        let other = fs::read_to_string(&file).unwrap();
        let key_of_other = &other[..other.find("-----BEGIN CERTIFICATE").unwrap()];
        for damaged in [
            String::new(),
            key.to_owned(),
            certificate.to_owned(),
            whole.replace("-----END CERTIFICATE-----", ""),
            key_of_other.to_owned() + certificate,
            whole[..whole.len() / 2].to_owned(),
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".to_owned() + certificate,
        ] {
            fs::write(&file, &damaged).unwrap();
            let anew = kept("bot.example.org");
            assert_ne!(anew, made, "{damaged}");
            assert_eq!(kept("bot.example.org"), anew, "{damaged}");
        }
    }

    #[test]
    fn a_certificate_that_cannot_be_stored_is_still_used() {
        let kept =
            Certificate::load_or_create(Path::new("/nonexistent/webhook.pem"), "bot.example.org").unwrap();
        assert!(kept.to_pem().starts_with("-----BEGIN CERTIFICATE-----\n"));
        assert!(Certificate::load_or_create(Path::new("/nonexistent/webhook.pem"), "no host").is_err());
    }
}
