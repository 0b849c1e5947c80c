//! A certificate that nobody has signed but itself, and TLS with it: for who is told to trust this one and no other.
//!
//! What must hold:
//! - It is kept in a file that only its owner can read, and a restart finds the same one. Where it cannot be read,
//!   or is for another host, it is made anew.
//! - The key leaves the process for that file alone.
//! - No clock can make it invalid: a board may start with any. Its dates protect nothing, since who trusts it was
//!   given it by this service, so they are as wide as rcgen's own, from 1975 to 4096, and nothing needs to renew it.

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

/// The longest common name (X.520, `ub-common-name`), and what stands in place of a longer one: where there are
/// names of the host besides, as there are, nobody compares it.
const COMMON_NAME_LIMIT: usize = 64;
const COMMON_NAME: &str = "probewatch";

/// Letters on a line of PEM (RFC 7468, section 2).
const PEM_LINE: usize = 64;

/// A certificate with its key, ready to serve.
pub struct Certificate {
    der: CertificateDer<'static>,
    tls: Arc<ServerConfig>,
}

/// A certificate cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// For a host of this name.
    #[error(transparent)]
    Host(#[from] InvalidDnsNameError),
    /// The library cannot make it.
    #[error(transparent)]
    Make(#[from] rcgen::Error),
    /// The library cannot serve with it.
    #[error(transparent)]
    Serve(#[from] rustls::Error),
}

/// Why the certificate in a file does not serve.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error(transparent)]
    Unread(#[from] io::Error),
    #[error("the file is damaged: {0}")]
    NoPem(#[from] pem::Error),
    #[error("the file does not fit: {0}")]
    Other(#[from] rustls::Error),
}

impl Certificate {
    /// The certificate in `file` for `host`, a domain name or an IP address; one that is made where there is none
    /// that serves. Where the disk does not take it, it holds until the process ends.
    ///
    /// # Errors
    /// [`CertificateError`] where none can be made.
    pub fn load_or_create(file: &Path, host: &str) -> Result<Self, CertificateError> {
        let host = ServerName::try_from(host)?;
        match read(file, &host) {
            Ok(certificate) => return Ok(certificate),
            Err(Unfit::Unread(error)) if error.kind() == io::ErrorKind::NotFound => {}
            Err(why) => {
                warn!(event = "certificate_unusable", path = %file.display(), error = %why, "could not use the stored certificate; making a new one");
            }
        }
        let host = host.to_str();
        let key = KeyPair::generate()?;
        let made = params(&host)?.self_signed(&key)?;
        let key =
            PrivateKeyDer::try_from(key.serialize_der()).map_err(|why| rustls::Error::General(why.into()))?;
        match write(file, &key, made.der()) {
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
        Ok(Self::new(made.into(), key)?)
    }

    fn new(der: CertificateDer<'static>, key: PrivateKeyDer<'static>) -> Result<Self, rustls::Error> {
        let tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![der.clone()], key)?;
        Ok(Self { der, tls: Arc::new(tls) })
    }

    /// The certificate for who is to trust it, without the key.
    pub fn to_pem(&self) -> String {
        to_pem("CERTIFICATE", &self.der)
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.tls))
    }
}

fn params(host: &str) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(vec![host.to_owned()])?;
    let common_name = if host.len() <= COMMON_NAME_LIMIT { host } else { COMMON_NAME };
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

fn read(file: &Path, host: &ServerName<'_>) -> Result<Certificate, Unfit> {
    let text = fs::read(file)?;
    let key = PrivateKeyDer::from_pem_slice(&text)?;
    let der = CertificateDer::from_pem_slice(&text)?;
    verify_server_name(&ParsedCertificate::try_from(&der)?, host)?;
    Ok(Certificate::new(der, key)?)
}

/// Both in one file, so that a crash leaves a pair or none.
fn write(file: &Path, key: &PrivateKeyDer<'_>, certificate: &CertificateDer<'_>) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    // Only its owner can read it, from the start.
    let mut unnamed = NamedTempFile::new_in(folder)?;
    unnamed.write_all(to_pem("PRIVATE KEY", key.secret_der()).as_bytes())?;
    unnamed.write_all(to_pem("CERTIFICATE", certificate).as_bytes())?;
    unnamed.as_file().sync_all()?;
    unnamed.persist(file)?;
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
    fn it_stays_the_same_until_it_does_not_serve() {
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
        let of_another = &other[..other.find("-----BEGIN CERTIFICATE").unwrap()];
        for damaged in [
            String::new(),
            key.to_owned(),
            certificate.to_owned(),
            whole.replace("-----END CERTIFICATE-----", ""),
            of_another.to_owned() + certificate,
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
    fn without_a_disk_it_serves_all_the_same() {
        let kept =
            Certificate::load_or_create(Path::new("/nonexistent/webhook.pem"), "bot.example.org").unwrap();
        assert!(kept.to_pem().starts_with("-----BEGIN CERTIFICATE-----\n"));
        assert!(Certificate::load_or_create(Path::new("/nonexistent/webhook.pem"), "no host").is_err());
    }
}
