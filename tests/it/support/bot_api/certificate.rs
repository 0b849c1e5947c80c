//! Checks a certificate that is uploaded with setWebhook as the Bot API would, and connects with it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// The DER of the attribute type commonName (X.520, 2.5.4.3).
const COMMON_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x03];

/// The reasons to refuse this upload for a webhook at this address.
pub fn violations(url: &str, upload: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let text = String::from_utf8_lossy(upload);
    let begins: Vec<&str> = text.lines().filter(|line| line.starts_with("-----BEGIN ")).collect();
    if begins != ["-----BEGIN CERTIFICATE-----"] {
        // In particular no private key.
        return vec![format!("certificate: expected one certificate in PEM, not {begins:?}")];
    }
    let der = match CertificateDer::from_pem_slice(upload) {
        Ok(der) => der,
        Err(error) => return vec![format!("certificate: {error}")],
    };
    let host = host_of(url);
    let verified = ParsedCertificate::try_from(&der).and_then(|certificate| {
        let name = ServerName::try_from(host).expect("the host of a webhook");
        verify_server_name(&certificate, &name)
    });
    if let Err(error) = verified {
        found.push(format!("certificate: not for {host}: {error}"));
    }
    if common_names(&der).iter().any(|name| name != host) {
        found.push(format!("certificate: its common name is not {host}: {:?}", common_names(&der)));
    }
    found
}

/// The common names of subject and issuer.
fn common_names(der: &[u8]) -> Vec<String> {
    let after = der.windows(COMMON_NAME.len()).enumerate().filter(|(_, bytes)| **bytes == COMMON_NAME);
    let names = after.filter_map(|(at, _)| {
        let rest = &der[at + COMMON_NAME.len()..];
        let length = usize::from(*rest.get(1)?);
        Some(String::from_utf8_lossy(rest.get(2..2 + length)?).into_owned())
    });
    names.collect()
}

/// TLS over `stream` to a server of this name, which must present exactly this certificate.
pub fn tls(stream: TcpStream, certificate: &str, host: &str) -> impl Read + Write {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).expect("the host of a webhook");
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), stream)
}

/// The host of an https address, without the port.
pub fn host_of(url: &str) -> &str {
    let rest = url.strip_prefix("https://").unwrap_or(url);
    rest.split(['/', '?', '#', ':']).next().unwrap_or_default()
}
