//! A company's own certificate authority, which Codex is told of, is trusted here too.

use std::{net::SocketAddr, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

use super::redirect_of;
use crate::{
    harness::{Home, Ran, fake, write},
    running::Running,
};

/// A server with a certificate of an authority that nobody knows; what it is sent goes on to
/// `target`. Gives its address and the authority's certificate.
pub(crate) async fn https(target: SocketAddr) -> (SocketAddr, String) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let server = server.signed_by(&key, &authority).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![server.der().clone()], key.into());
    let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(forward(acceptor.clone(), client, target));
        }
    });
    (address, authority.pem())
}

async fn forward(acceptor: TlsAcceptor, client: TcpStream, target: SocketAddr) {
    // A client that does not trust the certificate hangs up.
    if let Ok(mut client) = acceptor.accept(client).await {
        let mut server = TcpStream::connect(target).await.unwrap();
        let _ = copy_bidirectional(&mut client, &mut server).await;
    }
}

/// A sign-in at that server, with this variable saying which certificates there are.
async fn sign_in(variable: &str) -> (Ran, Home) {
    let (fake, home) = (fake(), Home::empty());
    let (address, authority) = https(fake.address()).await;
    let path = home.path("company.pem");
    write(&path, authority);
    let issuer = format!("https://{address}");
    let environment = [
        ("CODEX_ROUTER_AUTH_ISSUER", issuer.as_str()),
        (variable, path.to_str().unwrap()),
    ];
    let arguments = ["login", "--paste", "work"];
    let mut running = Running::start_with(&home, &fake, &arguments, &environment);
    // The browser of the person trusts what the company told it to.
    let url = running.url().await.replacen(&issuer, &fake.issuer_url(), 1);
    running.type_line(&redirect_of(&url).await);
    (running.ended().await, home)
}

#[tokio::test]
async fn a_sign_in_trusts_the_certificates_that_codex_is_told_of() {
    for variable in ["CODEX_CA_CERTIFICATE", "SSL_CERT_FILE"] {
        let (ran, home) = sign_in(variable).await;
        assert_eq!(ran.code, Some(0), "{variable}: {}", ran.stderr);
        assert_eq!(home.listed("work")["state"], "ok");
    }
}

#[tokio::test]
async fn an_authority_that_nobody_named_is_not_trusted_and_the_error_says_so() {
    let (ran, home) = sign_in("ANOTHER_VARIABLE").await;
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stderr.to_lowercase().contains("certificate"),
        "{}",
        ran.stderr
    );
    assert!(!home.profile("work").exists());
}
