//! A slapd of our own on the loopback, with its data in a temporary directory.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

pub(crate) struct Slapd {
    folder: TempDir,
    child: Option<Child>,
    plain: u16,
    tls: u16,
}

impl Slapd {
    pub(crate) async fn start() -> Slapd {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        certificates(&path("ca.pem"), &path("server.pem"), &path("server.key"));
        certificates(&path("other.pem"), &path("other-server.pem"), &path("other-server.key"));
        fs::create_dir(path("data")).unwrap();
        fs::write(path("slapd.conf"), CONFIG.replace("FOLDER", folder.path().to_str().unwrap())).unwrap();
        fs::write(path("data.ldif"), entries()).unwrap();
        let added = command("slapadd")
            .arg("-f")
            .arg(path("slapd.conf"))
            .arg("-l")
            .arg(path("data.ldif"))
            .output()
            .expect("slapd is not installed; scripts/test installs it");
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        Slapd { folder, child: None, plain: 0, tls: 0 }.start_again().await
    }

    /// On its old ports, or on others the first time: somebody else may take a free one before slapd does.
    pub(crate) async fn start_again(mut self) -> Slapd {
        for _ in 0..10 {
            if self.plain == 0 {
                (self.plain, self.tls) = (free_port(), free_port());
            }
            let urls = format!(
                "ldap://127.0.0.1:{} ldaps://127.0.0.1:{} ldaps://127.0.0.2:{}",
                self.plain, self.tls, self.tls
            );
            let mut child = command("slapd")
                .args(["-d", "0", "-h", &urls, "-f"])
                .arg(self.folder.path().join("slapd.conf"))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let deadline = Instant::now() + Duration::from_secs(20);
            while child.try_wait().unwrap().is_none() {
                if TcpStream::connect(("127.0.0.1", self.plain)).await.is_ok()
                    && TcpStream::connect(("127.0.0.2", self.tls)).await.is_ok()
                {
                    self.child = Some(child);
                    return self;
                }
                assert!(Instant::now() < deadline, "slapd does not listen");
                sleep(Duration::from_millis(10)).await;
            }
            self.plain = 0;
        }
        panic!("slapd ends at once");
    }

    pub(crate) fn stopped(mut self) -> Slapd {
        self.stop();
        self
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) fn plain(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.plain)
    }

    pub(crate) fn tls(&self, host: &str) -> String {
        format!("ldaps://{host}:{}", self.tls)
    }

    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// One that did not vouch for the server.
    pub(crate) fn other_authority(&self) -> PathBuf {
        self.folder.path().join("other.pem")
    }

    pub(crate) async fn lets_in_without_a_password(&self, dn: &str) -> bool {
        let (connection, mut ldap) = ldap3::LdapConnAsync::new(&self.plain()).await.unwrap();
        tokio::spawn(connection.drive());
        ldap.simple_bind(dn, "").await.unwrap().rc == 0
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        self.stop();
    }
}

#[expect(clippy::disallowed_methods, reason = "a real server is a process")]
fn command(name: &str) -> Command {
    let mut command = Command::new(format!("/usr/sbin/{name}"));
    command.env("LC_ALL", "C");
    command
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// An authority, and a server's certificate that it signed.
fn certificates(ca_file: &std::path::Path, file: &std::path::Path, key_file: &std::path::Path) {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name.push(DnType::CommonName, "an authority for a test");
    fs::write(ca_file, ca.self_signed(&ca_key).unwrap().pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let issuer = Issuer::from_params(&ca, &ca_key);
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    fs::write(file, certificate.pem()).unwrap();
    fs::write(key_file, key.serialize_pem()).unwrap();
}

fn entries() -> String {
    let mut text = "dn: dc=example,dc=org\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n\n\
        dn: cn=search,dc=example,dc=org\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: search\n\
        userPassword: search secret\n\n"
        .to_owned();
    for unit in ["people", "other.example"] {
        writeln!(text, "dn: ou={unit},dc=example,dc=org\nobjectClass: organizationalUnit\nou: {unit}\n")
            .unwrap();
    }
    for (unit, user, password, more) in [
        ("people", "alice", "wonder land", "mail: 1000@pbx.example\n"),
        ("people", "gone", "still right", "employeeType: former\n"),
        ("people", "a+b", "plus", "mail: no account\n"),
        ("other.example", "alice", "another", ""),
    ] {
        let name = user.replace('+', "\\+");
        writeln!(
            text,
            "dn: uid={name},ou={unit},dc=example,dc=org\nobjectClass: inetOrgPerson\nuid: {user}\ncn: {user}\nsn: {user}\n\
             userPassword: {password}\n{more}"
        )
        .unwrap();
    }
    text
}

/// As servers often are: anonymous users see nothing, a bind without a password is an anonymous one.
const CONFIG: &str = "\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile FOLDER/slapd.pid
argsfile FOLDER/slapd.args
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCACertificateFile FOLDER/ca.pem
TLSCertificateFile FOLDER/server.pem
TLSCertificateKeyFile FOLDER/server.key
allow bind_anon_dn bind_anon_cred
database mdb
suffix dc=example,dc=org
directory FOLDER/data
maxsize 10485760
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact=cn=search,dc=example,dc=org read by self read by anonymous auth by * none
";
