//! Pseudo terminals of a container: made from inside, handed out through a socket.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags, fstat, fstatfs, major, minor, open};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::container::TerminalSize;

/// Magic number of devpts in statfs(2).
const DEVPTS_MAGIC: i64 = 0x1cd1;

/// Both ends of a new terminal.
pub(crate) struct Terminal {
    pub master: OwnedFd,
    pub slave: OwnedFd,
}

impl Terminal {
    /// Makes a terminal of the file system that is mounted on /dev/pts here. Whoever controls the container's files may
    /// have put something else there, which is refused; the slave is opened through its master, never by a path.
    pub(crate) fn open(size: TerminalSize) -> io::Result<Terminal> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let master = open("/dev/pts/ptmx", flags, Mode::empty())?;
        let device = fstat(&master)?.st_rdev;
        if (major(device), minor(device)) != (5, 2) || fstatfs(&master)?.f_type as i64 != DEVPTS_MAGIC {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "/dev/pts/ptmx of the container is not a terminal",
            ));
        }
        unlockpt(&master)?;
        let slave = open_slave(&master)?;
        resize(&master, size)?;
        Ok(Terminal { master, slave })
    }
}

/// Opens another descriptor of the slave.
pub(crate) fn open_slave(master: &OwnedFd) -> io::Result<OwnedFd> {
    Ok(ioctl_tiocgptpeer(master, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?)
}

/// Sets the size; the foreground process gets SIGWINCH. A size of zero changes nothing.
pub(crate) fn resize(terminal: impl AsFd, size: TerminalSize) -> io::Result<()> {
    if size.rows == 0 || size.columns == 0 {
        return Ok(());
    }
    let size = Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
    Ok(tcsetwinsize(terminal, size)?)
}

/// Makes the slave the controlling terminal of this process, which becomes the leader of a session of its own.
pub(crate) fn take_control(slave: &OwnedFd) -> io::Result<()> {
    match rustix::process::setsid() {
        // It leads one already.
        Ok(_) | Err(Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(rustix::process::ioctl_tiocsctty(slave)?)
}

/// Sends one descriptor.
pub(crate) fn send_descriptor(socket: impl AsFd, descriptor: &OwnedFd) -> io::Result<()> {
    let descriptors = [descriptor.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(socket, &[IoSlice::new(b"t")], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives one descriptor; whoever sends it has done so, or never will.
pub(crate) fn receive_descriptor(socket: impl AsFd) -> io::Result<OwnedFd> {
    // A runtime names the terminal beside it.
    let mut bytes = [0u8; 4096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, flags)?;
    let received = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    received.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "no terminal was sent"))
}
