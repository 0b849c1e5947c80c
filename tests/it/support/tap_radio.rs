//! A monitor interface without hardware: a TAP device whose link type is radiotap. A capture on the interface receives
//! the frames that are written to the device.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

/// ARPHRD_IEEE80211_RADIOTAP, which libpcap maps to DLT 127.
const LINK_TYPE_RADIOTAP: libc::c_ulong = 803;

/// An interface that exists as long as this value.
pub struct TapRadio {
    name: String,
    device: File,
}

impl TapRadio {
    /// Creates the interface of this name (at most 15 bytes) and brings it up. Needs CAP_NET_ADMIN.
    pub fn open(name: &str) -> io::Result<Self> {
        Self::with_link_type(name, Some(LINK_TYPE_RADIOTAP))
    }

    /// Like [`Self::open`], with a unique name that starts with the prefix (at most 6 bytes).
    pub fn unique(prefix: &str) -> io::Result<Self> {
        Self::open(&unique_name(prefix))
    }

    /// Like [`Self::unique`], with the default link type of TAP devices, Ethernet.
    pub fn unique_ethernet(prefix: &str) -> io::Result<Self> {
        Self::with_link_type(&unique_name(prefix), None)
    }

    fn with_link_type(name: &str, link_type: Option<libc::c_ulong>) -> io::Result<Self> {
        let mut request = interface_request(name)?;
        let device = OpenOptions::new().read(true).write(true).open("/dev/net/tun")?;
        // SAFETY: each ioctl takes the ifreq (alive, of the right type) or a plain number.
        unsafe {
            request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI) as libc::c_short;
            check(libc::ioctl(device.as_raw_fd(), libc::TUNSETIFF as _, &raw mut request))?;
            if let Some(link_type) = link_type {
                check(libc::ioctl(device.as_raw_fd(), libc::TUNSETLINK as _, link_type))?;
            }
        }
        let radio = Self { name: name.to_owned(), device };
        radio.set_up(true)?;
        Ok(radio)
    }

    /// Brings the interface up or down.
    pub fn set_up(&self, up: bool) -> io::Result<()> {
        let mut request = interface_request(&self.name)?;
        // A socket of any kind can set the interface's flags.
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let flag = libc::IFF_UP as libc::c_short;
        // SAFETY: both ioctls take the ifreq, and the union field read is the one that the kernel has
        // just written.
        unsafe {
            check(libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS as _, &raw mut request))?;
            let flags = request.ifr_ifru.ifru_flags;
            request.ifr_ifru.ifru_flags = if up { flags | flag } else { flags & !flag };
            check(libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw mut request))
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Transmits one frame with its radiotap header. Only captures that are already open receive it.
    pub fn transmit(&self, frame: &[u8]) {
        let written = (&self.device).write(frame).expect("the TAP device takes the frame");
        assert_eq!(written, frame.len(), "a write to the TAP device is never short");
    }
}

fn unique_name(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{prefix}{:x}{number:x}", std::process::id() & 0xff_ffff)
}

impl Drop for TapRadio {
    /// Deletes the interface through netlink. Closing the device is not enough: a child process that another test has
    /// just forked may hold the descriptor too.
    fn drop(&mut self) {
        if let Err(error) = delete_interface(&self.name) {
            eprintln!("the interface {} is left to the kernel: {error}", self.name);
        }
    }
}

/// Sends RTM_DELLINK, as `ip link delete` does. It takes effect before the send returns.
fn delete_interface(name: &str) -> io::Result<()> {
    let name = std::ffi::CString::new(name)?;
    // SAFETY: plain system calls; the name ends in NUL, and the message is as long as it says.
    unsafe {
        let index = libc::if_nametoindex(name.as_ptr());
        if index == 0 {
            return Err(io::Error::last_os_error());
        }
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        let socket = libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_ROUTE);
        check(socket)?;
        let socket = OwnedFd::from_raw_fd(socket);
        let mut message = Vec::new(); // nlmsghdr (16 bytes), then ifinfomsg (16 bytes)
        message.extend_from_slice(&32_u32.to_ne_bytes());
        message.extend_from_slice(&libc::RTM_DELLINK.to_ne_bytes());
        message.extend_from_slice(&(libc::NLM_F_REQUEST as u16).to_ne_bytes());
        message.extend_from_slice(&[0; 12]); // sequence, port; family, type
        message.extend_from_slice(&index.to_ne_bytes());
        message.extend_from_slice(&[0; 8]); // flags, change
        let sent = libc::send(socket.as_raw_fd(), message.as_ptr().cast(), message.len(), 0);
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

fn interface_request(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: an ifreq is plain data, for which zero is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.is_empty() || name.len() >= request.ifr_name.len() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "an interface name has 1 to 15 bytes"));
    }
    for (target, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *target = byte as libc::c_char;
    }
    Ok(request)
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
