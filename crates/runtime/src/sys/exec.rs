//! Replacing the process image: the search along `PATH`, and `execve` with Docker's words for what goes wrong.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Finds the program that `name` means, as seen from the current root. The error is a sentence for the user.
pub(crate) fn find_program(name: &str, path: &str) -> Result<PathBuf, String> {
    if name.contains('/') {
        return match std::fs::metadata(name) {
            Ok(meta) if meta.is_dir() => Err(format!("exec: \"{name}\": is a directory")),
            Ok(meta) if meta.permissions().mode() & 0o111 == 0 => {
                Err(format!("exec: \"{name}\": permission denied"))
            }
            Ok(_) => Ok(PathBuf::from(name)),
            Err(error) => Err(format!("exec: \"{name}\": stat {name}: {}", describe(&error))),
        };
    }
    let mut refused = false;
    // Compat: an empty element of PATH means the current directory.
    for directory in path.split(':').map(|d| if d.is_empty() { "." } else { d }) {
        let candidate = Path::new(directory).join(name);
        if let Ok(meta) = std::fs::metadata(&candidate)
            && meta.is_file()
        {
            if meta.permissions().mode() & 0o111 != 0 {
                return Ok(candidate);
            }
            refused = true;
        }
    }
    Err(if refused && !name.is_empty() {
        format!("exec: \"{name}\": permission denied")
    } else {
        format!("exec: \"{name}\": executable file not found in $PATH")
    })
}

/// Describes an error in C's words, without Rust's "(os error n)".
pub(crate) fn describe(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::ENOENT) => "no such file or directory".into(),
        Some(libc::EACCES) => "permission denied".into(),
        Some(libc::ENOEXEC) => "exec format error".into(),
        Some(libc::ENOTDIR) => "not a directory".into(),
        Some(libc::EPERM) => "operation not permitted".into(),
        _ => error.to_string(),
    }
}

/// Replaces the process image; returns only on failure.
pub(crate) fn execve(program: &Path, args: &[String], env: &[String]) -> io::Error {
    let run = || -> Result<std::convert::Infallible, io::Error> {
        let program = CString::new(program.as_os_str().as_bytes())?;
        let args = args.iter().map(|a| CString::new(a.as_bytes())).collect::<Result<Vec<_>, _>>()?;
        let env = env.iter().map(|e| CString::new(e.as_bytes())).collect::<Result<Vec<_>, _>>()?;
        let arg_pointers = pointers(&args);
        let env_pointers = pointers(&env);
        // SAFETY: all three are null-terminated and outlive the call.
        unsafe { libc::execve(program.as_ptr(), arg_pointers.as_ptr(), env_pointers.as_ptr()) };
        Err(io::Error::last_os_error())
    };
    match run() {
        Err(error) => error,
    }
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|s| s.as_ptr()).chain(std::iter::once(std::ptr::null())).collect()
}
