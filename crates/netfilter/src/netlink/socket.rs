//! The socket itself: every system call of the netlink side is here.
//!
//! [`Socket::transact`] sends a run of messages and waits until the kernel has answered it, [`Socket::dump`] reads a
//! listing, [`Socket::subscribe`] opens a second kind of socket that only listens.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use super::parse::{Message, messages};
use super::{DUMP_INTERRUPTED, Messages};
use crate::error::Error;

/// A bound NETLINK_NETFILTER socket. Blocking, with a receive timeout; one thread.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    port: u32,
    sequence: u32,
    buffer: Vec<u8>,
}

/// Why a datagram could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// Nothing there (yet).
    Nothing,
    /// The kernel had more to say than the receive buffer holds, and dropped it (ENOBUFS).
    Overrun,
    /// Another errno.
    Broken(i32),
}

impl Socket {
    /// Opens and binds; the network namespace of the calling thread is the one that is spoken to.
    pub(crate) fn open() -> Result<Self, Error> {
        let doing = "opening a netlink socket";
        // SAFETY: no pointers; the result is checked before it is used.
        let raw = unsafe {
            libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_NETFILTER)
        };
        if raw < 0 {
            return Err(Error::last_os(doing));
        }
        // SAFETY: `raw` is a descriptor that was just made and that nobody else owns.
        let fd = unsafe { OwnedFd::from_raw_fd(raw) };
        let mut socket = Self { fd, port: 0, sequence: 1, buffer: vec![0; BUFFER] };
        socket.bind(doing)?;
        // An error answer then carries its header only, not the refused message.
        socket.option(libc::SOL_NETLINK, libc::NETLINK_CAP_ACK, 1);
        socket.receive_timeout(ANSWER);
        for (force, plain, size) in [
            (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF, SEND_QUEUE),
            (libc::SO_RCVBUFFORCE, libc::SO_RCVBUF, RECEIVE_QUEUE),
        ] {
            // Forcing needs CAP_NET_ADMIN in the first user namespace; without it the system's limit applies.
            if !socket.option(libc::SOL_SOCKET, force, size) {
                socket.option(libc::SOL_SOCKET, plain, size);
            }
        }
        Ok(socket)
    }

    /// Opens a socket that receives the notifications of a multicast group, but not those that the socket with
    /// port number `except` caused: the kernel filters them out before they are queued.
    pub(crate) fn subscribe(group: libc::c_int, except: u32) -> Result<Self, Error> {
        let socket = Self::open()?;
        socket.ignore_port(except)?;
        socket.listen(group, true)?;
        Ok(socket)
    }

    /// Joins or leaves a multicast group.
    pub(crate) fn listen(&self, group: libc::c_int, join: bool) -> Result<(), Error> {
        let name = if join { libc::NETLINK_ADD_MEMBERSHIP } else { libc::NETLINK_DROP_MEMBERSHIP };
        if self.option(libc::SOL_NETLINK, name, group) {
            return Ok(());
        }
        Err(Error::last_os("subscribing to the kernel's notifications"))
    }

    /// The kernel's name for this socket.
    pub(crate) fn port(&self) -> u32 {
        self.port
    }

    /// An empty run of messages with fresh sequence numbers.
    pub(crate) fn compose(&self) -> Messages {
        Messages::new(self.sequence)
    }

    /// Sends the run and waits for the kernel's word on it. The last message of the run must ask for an
    /// acknowledgement (see [`Messages::batch_end`], [`Messages::acknowledge`]).
    pub(crate) fn transact(&mut self, run: &Messages, doing: &str) -> Result<(), Error> {
        let (first, last) = self.send(run, doing)?;
        let mut refusal = None;
        self.answers(doing, first, last, |message| {
            if message.kind != ERROR {
                return false;
            }
            let code = message.error();
            if code != 0 && refusal.is_none() {
                refusal = Some(code);
            }
            // A refusal of the batch as a whole comes on its first message, and then nothing else may follow.
            // Otherwise the answer to the last acknowledged message ends it; the errors of others came before.
            let at = message.sequence.wrapping_sub(first);
            (code != 0 && at == 0) || at + 1 >= last.wrapping_sub(first)
        })?;
        refusal.map_or(Ok(()), |code| Err(Error::from_code(doing, code)))
    }

    /// Sends one request and hands each part of the listing to `each`. A listing during which the listed thing
    /// changed is repeated from the start: `each` then sees [`Part::Restart`] first. The kernel marks it so whenever
    /// anybody changes any table, so a few times are enough on a host where somebody always does.
    pub(crate) fn dump(
        &mut self,
        mut request: impl FnMut(&mut Messages),
        doing: &str,
        mut each: impl FnMut(Part<'_>),
    ) -> Result<(), Error> {
        for remaining in (0..DUMP_TRIES).rev() {
            let mut run = self.compose();
            request(&mut run);
            let (first, last) = self.send(&run, doing)?;
            let (mut refusal, mut interrupted) = (0, false);
            each(Part::Restart);
            self.answers(doing, first, last, |message| {
                interrupted |= message.flags & DUMP_INTERRUPTED != 0;
                match message.kind {
                    DONE | ERROR => {
                        refusal = message.error();
                        return true;
                    }
                    kind if kind >= CONTROL => each(Part::Entry(message)),
                    _ => {}
                }
                false
            })?;
            match refusal {
                0 if !interrupted || remaining == 0 => return Ok(()),
                0 | libc::EINTR => {}
                code => return Err(Error::from_code(doing, code)),
            }
        }
        Err(Error::from_code(doing, libc::EINTR))
    }

    /// Sends one request that has one answer (no listing) and hands it to `each`; an error is returned as such.
    pub(crate) fn ask(
        &mut self,
        run: &Messages,
        doing: &str,
        mut each: impl FnMut(Message<'_>),
    ) -> Result<(), Error> {
        let (first, last) = self.send(run, doing)?;
        let mut refusal = 0;
        self.answers(doing, first, last, |message| {
            match message.kind {
                ERROR => refusal = message.error(),
                kind if kind >= CONTROL => each(message),
                _ => return false,
            }
            true
        })?;
        if refusal == 0 { Ok(()) } else { Err(Error::from_code(doing, refusal)) }
    }

    /// Reads one datagram without waiting.
    pub(crate) fn poll(&mut self, mut each: impl FnMut(Message<'_>)) -> Result<(), Silence> {
        let length = self.receive(libc::MSG_DONTWAIT)?;
        messages(&self.buffer[..length]).for_each(&mut each);
        Ok(())
    }

    /// How long [`Self::transact`] and the others wait for the kernel's next datagram.
    pub(crate) fn receive_timeout(&self, timeout: Duration) {
        let value = libc::timeval { tv_sec: timeout.as_secs() as _, tv_usec: timeout.subsec_micros() as _ };
        // SAFETY: `value` outlives the call and its size is given.
        unsafe {
            libc::setsockopt(
                self.fd.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_RCVTIMEO,
                (&raw const value).cast(),
                size_of::<libc::timeval>() as u32,
            );
        }
    }

    /// Sends, and skips forward over the sequence numbers used. Returns the first and the last of them.
    fn send(&mut self, run: &Messages, doing: &str) -> Result<(u32, u32), Error> {
        let bytes = run.finished().ok_or_else(|| Error::TooLarge { doing: doing.to_string() })?;
        let (first, last) = run.sequence();
        self.sequence = last.wrapping_add(1).max(1);
        loop {
            // SAFETY: pointer and length are those of one live slice.
            let sent = unsafe { libc::send(self.fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), 0) };
            if sent >= 0 {
                return Ok((first, last));
            }
            if io::Error::last_os_error().raw_os_error() != Some(libc::EINTR) {
                return Err(Error::last_os(doing));
            }
        }
    }

    /// Reads datagrams until `each` says that the answer is complete. Answers to other requests are skipped.
    fn answers(
        &mut self,
        doing: &str,
        first: u32,
        last: u32,
        mut each: impl FnMut(Message<'_>) -> bool,
    ) -> Result<(), Error> {
        let span = last.wrapping_sub(first);
        let deadline = Instant::now() + ANSWER * 4;
        while Instant::now() < deadline {
            let length = match self.receive(0) {
                Ok(length) => length,
                Err(Silence::Nothing) => break,
                Err(Silence::Overrun) => return Err(Error::from_code(doing, libc::ENOBUFS)),
                Err(Silence::Broken(code)) => return Err(Error::from_code(doing, code)),
            };
            let mut complete = false;
            for message in messages(&self.buffer[..length]) {
                if message.sequence.wrapping_sub(first) <= span {
                    complete |= each(message);
                }
            }
            if complete {
                return Ok(());
            }
        }
        Err(Error::Timeout { doing: doing.to_string(), seconds: ANSWER.as_secs() })
    }

    /// One datagram from the kernel (and from nobody else) into the buffer.
    fn receive(&mut self, flags: libc::c_int) -> Result<usize, Silence> {
        loop {
            // SAFETY: all-zero is a valid `sockaddr_nl`.
            let mut from: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
            let mut from_length = size_of::<libc::sockaddr_nl>() as libc::socklen_t;
            // SAFETY: the buffer and the address outlive the call, and their true lengths are given.
            let got = unsafe {
                libc::recvfrom(
                    self.fd.as_raw_fd(),
                    self.buffer.as_mut_ptr().cast(),
                    self.buffer.len(),
                    flags | libc::MSG_TRUNC,
                    (&raw mut from).cast(),
                    &raw mut from_length,
                )
            };
            if got >= 0 && from.nl_pid == 0 {
                // With MSG_TRUNC the true length is told; a longer datagram was cut, and its tail is not parsed.
                return Ok((got as usize).min(self.buffer.len()));
            }
            if got >= 0 {
                continue;
            }
            match io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO) {
                libc::EINTR => {}
                libc::EAGAIN => return Err(Silence::Nothing),
                libc::ENOBUFS => return Err(Silence::Overrun),
                code => return Err(Silence::Broken(code)),
            }
        }
    }

    fn bind(&mut self, doing: &str) -> Result<(), Error> {
        // SAFETY: all-zero is a valid `sockaddr_nl`: port 0 lets the kernel choose, no groups.
        let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
        address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
        let mut length = size_of::<libc::sockaddr_nl>() as libc::socklen_t;
        // SAFETY: `address` outlives the call and its size is given.
        if unsafe { libc::bind(self.fd.as_raw_fd(), (&raw const address).cast(), length) } < 0 {
            return Err(Error::last_os(doing));
        }
        // SAFETY: as above; the kernel writes at most `length` bytes.
        if unsafe { libc::getsockname(self.fd.as_raw_fd(), (&raw mut address).cast(), &raw mut length) } < 0 {
            return Err(Error::last_os(doing));
        }
        self.port = address.nl_pid;
        Ok(())
    }

    /// A classic BPF program: drop a datagram whose first message was caused by `port`. One transaction's
    /// notifications never share a datagram with another's.
    fn ignore_port(&self, port: u32) -> Result<(), Error> {
        let step = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
        let mut steps = [
            // nlmsg_pid at offset 12. BPF loads in network order, the kernel wrote it in host order.
            step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 12),
            step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, port.to_be()),
            step(libc::BPF_RET | libc::BPF_K, 0, 0, 0),
            step(libc::BPF_RET | libc::BPF_K, 0, 0, u32::MAX),
        ];
        let program = libc::sock_fprog { len: steps.len() as u16, filter: steps.as_mut_ptr() };
        // SAFETY: the program and its steps outlive the call; the kernel copies them.
        let result = unsafe {
            libc::setsockopt(
                self.fd.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_ATTACH_FILTER,
                (&raw const program).cast(),
                size_of::<libc::sock_fprog>() as u32,
            )
        };
        if result < 0 { Err(Error::last_os("filtering the kernel's notifications")) } else { Ok(()) }
    }

    fn option(&self, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> bool {
        // SAFETY: `value` outlives the call and its size is given.
        let result = unsafe {
            libc::setsockopt(
                self.fd.as_raw_fd(),
                level,
                name,
                (&raw const value).cast(),
                size_of::<libc::c_int>() as u32,
            )
        };
        result == 0
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// What a listing consists of.
pub(crate) enum Part<'a> {
    /// Forget what came before.
    Restart,
    /// One message.
    Entry(Message<'a>),
}

/// NLMSG_ERROR, NLMSG_DONE, NLMSG_MIN_TYPE.
const ERROR: u16 = 2;
const DONE: u16 = 3;
const CONTROL: u16 = 16;
/// The kernel builds dump datagrams of up to 32 KiB, and notification datagrams of up to a page and a bit.
const BUFFER: usize = 256 * 1024;
/// For SO_SNDBUFFORCE: a limit, not an allocation. A rebuild sends a whole ruleset at once.
const SEND_QUEUE: libc::c_int = 256 * 1024 * 1024;
/// For SO_RCVBUFFORCE: what somebody else's large change may pile up here before it counts as an overrun.
const RECEIVE_QUEUE: libc::c_int = 8 * 1024 * 1024;
/// The kernel answers within microseconds; a large transaction under a loaded ruleset may take a second.
const ANSWER: Duration = Duration::from_secs(5);
const DUMP_TRIES: usize = 5;
