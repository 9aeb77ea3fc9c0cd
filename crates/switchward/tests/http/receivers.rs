//! Who is told: an HTTP server that answers as it is told to, and a mail server, both over real sockets.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use parking_lot::Mutex;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Waits until it is true.
pub(crate) async fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < Duration::from_secs(30), "still not: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) at: Instant,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Got {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

/// What is answered: a status, a header, a body.
pub(crate) type Answer = (u16, Option<(&'static str, &'static str)>, &'static str);

/// An HTTP server.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    got: Mutex<Vec<Got>>,
    /// The next answers; 200 when there is none.
    answers: Mutex<VecDeque<Answer>>,
    always: Mutex<Option<Answer>>,
}

impl Receiver {
    pub(crate) async fn start() -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let inner = Arc::new(Inner::default());
        let router = Router::new().fallback(take).with_state(inner.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Receiver { url, inner }
    }

    /// The next answers, before it is content again.
    pub(crate) fn answer(&self, answers: &[Answer]) {
        self.inner.answers.lock().extend(answers.iter().copied());
    }

    pub(crate) fn always(&self, answer: Answer) {
        *self.inner.always.lock() = Some(answer);
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.inner.got.lock().clone()
    }

    /// All requests, as soon as there are so many.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Got> {
        until(&format!("{count} requests"), || self.inner.got.lock().len() >= count).await;
        self.got()
    }
}

async fn take(
    State(inner): State<Arc<Inner>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, HeaderMap, &'static str) {
    inner.got.lock().push(Got { at: Instant::now(), method, path: uri.path().to_owned(), headers, body });
    let answer = inner.answers.lock().pop_front().or(*inner.always.lock());
    let (status, header, body) = answer.unwrap_or((200, None, "ok"));
    let headers = header.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).into_iter();
    (StatusCode::from_u16(status).unwrap(), headers.collect(), body)
}

/// A mail as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Letter {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    /// Headers and body, lines ended by CR LF.
    pub(crate) text: String,
    /// Who logged in, and with what.
    pub(crate) login: Option<(String, String)>,
    pub(crate) was_encrypted: bool,
}

/// A mail server; the certificate of `localhost` is its own.
pub(crate) struct MailServer {
    pub(crate) port: u16,
    /// PEM.
    pub(crate) certificate: String,
    letters: Arc<Mutex<Vec<Letter>>>,
    /// What RCPT is answered with next.
    pub(crate) refusals: Arc<Mutex<VecDeque<&'static str>>>,
}

impl MailServer {
    pub(crate) async fn start() -> MailServer {
        switchward::tls::provider();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let tls = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = MailServer {
            port: listener.local_addr().unwrap().port(),
            certificate: made.cert.pem(),
            letters: Arc::default(),
            refusals: Arc::default(),
        };
        let (letters, refusals) = (server.letters.clone(), server.refusals.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, letters, refusals) = (acceptor.clone(), letters.clone(), refusals.clone());
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    let mut letter = Letter::default();
                    say(&mut stream, "220 localhost ESMTP").await;
                    if !talk(&mut stream, &mut letter, &letters, &refusals).await {
                        return;
                    }
                    // STARTTLS
                    let stream = acceptor.accept(stream.into_inner()).await.unwrap();
                    let mut letter = Letter { was_encrypted: true, ..Letter::default() };
                    talk(&mut BufReader::new(stream), &mut letter, &letters, &refusals).await;
                });
            }
        });
        server
    }

    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Letter> {
        until(&format!("{count} letters"), || self.letters.lock().len() >= count).await;
        self.letters.lock().clone()
    }
}

async fn say(stream: &mut (impl AsyncWrite + Unpin), line: &str) {
    _ = stream.write_all(format!("{line}\r\n").as_bytes()).await;
    _ = stream.flush().await;
}

/// RFC 5321, as much as a client needs; true when it wants encryption from now on.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
    letter: &mut Letter,
    letters: &Mutex<Vec<Letter>>,
    refusals: &Mutex<VecDeque<&'static str>>,
) -> bool {
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return false;
        }
        let command = line.trim_end();
        let verb = command.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" if letter.was_encrypted => say(stream, "250-localhost\r\n250 AUTH PLAIN").await,
            "EHLO" => say(stream, "250-localhost\r\n250-AUTH PLAIN\r\n250 STARTTLS").await,
            "STARTTLS" => {
                say(stream, "220 go on").await;
                return true;
            }
            "AUTH" => {
                let given = BASE64_STANDARD.decode(command.rsplit(' ').next().unwrap()).unwrap();
                let words: Vec<String> = given
                    .split(|byte| *byte == 0)
                    .map(|word| String::from_utf8(word.to_vec()).unwrap())
                    .collect();
                letter.login = Some((words[1].clone(), words[2].clone()));
                say(stream, "235 welcome").await;
            }
            "MAIL" => {
                letter.from = command.to_owned();
                say(stream, "250 ok").await;
            }
            "RCPT" => {
                let refusal = refusals.lock().pop_front();
                if refusal.is_none() {
                    letter.to.push(command.to_owned());
                }
                say(stream, refusal.unwrap_or("250 ok")).await;
            }
            "DATA" => {
                say(stream, "354 go on").await;
                loop {
                    line.clear();
                    if stream.read_line(&mut line).await.unwrap_or(0) == 0 || line == ".\r\n" {
                        break;
                    }
                    letter.text += &line;
                }
                letters.lock().push(letter.clone());
                say(stream, "250 taken").await;
            }
            "QUIT" => {
                say(stream, "221 bye").await;
                return false;
            }
            _ => say(stream, "250 ok").await,
        }
    }
}
